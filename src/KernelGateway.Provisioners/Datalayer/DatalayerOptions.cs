using KernelGateway.Provisioners.JupyterServer;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>Settings of the <c>datalayer-runtime</c> variant: kernels in runtimes of a cloud. Section <c>Gateway:Datalayer</c>. Without a key the variant is switched off.</summary>
public sealed class DatalayerOptions
{
    /// <summary>Where the settings stand in the configuration.</summary>
    public const string Section = "Gateway:Datalayer";

    /// <summary>The environment variable with the key, when none is configured.</summary>
    public const string KeyVariable = "DATALAYER_API_KEY";

    /// <summary>The API key.</summary>
    public string ApiKey { get; set; } = "";

    /// <summary>A file with the API key, read at each use, instead of <see cref="ApiKey"/>.</summary>
    public string ApiKeyFile { get; set; } = "";

    /// <summary>The base address of the control plane. Default <c>DATALAYER_RUNTIMES_URL</c>, or https://r1.datalayer.run.</summary>
    public string Url { get; set; } = Environment.GetEnvironmentVariable("DATALAYER_RUNTIMES_URL") is { Length: > 0 } url ? url : "https://r1.datalayer.run";

    /// <summary>For how many minutes a runtime is reserved, which is what its credits allow at most; then the cloud ends it. 10 to 1440, default 60.</summary>
    public int ReservationMinutes { get; set; } = 60;

    /// <summary>How long the Jupyter Server of a new runtime may take until it answers. Default 2 min.</summary>
    public TimeSpan IngressTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long one call of the control plane may take. Default 60 s.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How often it is asked whether a runtime is there still. Default 30 s.</summary>
    public TimeSpan LookInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Folder for copies of what commands put out; when empty, <c>hosts/datalayer</c> in the gateway's data directory. Only this gateway may use it.</summary>
    public string StateFolder { get; set; } = "";

    /// <summary>The folder with <c>remote_agent.py</c>.</summary>
    public string LauncherFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images", "launcher");

    /// <summary>What the names of this gateway's runtimes begin with, so that it finds those that were forgotten; when empty, made from the machine and the data directory.</summary>
    public string NamePrefix { get; set; } = "";
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
internal sealed class DatalayerOptionsValidator : IValidateOptions<DatalayerOptions>
{
    public ValidateOptionsResult Validate(string? name, DatalayerOptions options)
    {
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{DatalayerOptions.Section}:{setting} {how}");
            }
        }

        void Time(TimeSpan value, TimeSpan most, string setting) =>
            Check(value > TimeSpan.Zero && value <= most, setting, $"is {value}; give more than zero and at most {most}.");

        var problem = ServerAccess.Problem(options.Url);
        Check(problem is null, nameof(options.Url), $"is '{options.Url}'; give the base address of the control plane, for example https://r1.datalayer.run.");
        Check(options.ApiKey.Length == 0 || options.ApiKeyFile.Length == 0, nameof(options.ApiKeyFile), $"and {nameof(options.ApiKey)} are both given; give one of them.");
        Check(options.ApiKey.All(c => c is > ' ' and <= '~'), nameof(options.ApiKey), "holds something else than printable ASCII without spaces.");
        Check(options.ApiKeyFile.Length == 0 || HostPath.IsPlainAbsolute(options.ApiKeyFile), nameof(options.ApiKeyFile), $"is '{options.ApiKeyFile}'; give an absolute path.");
        Check(options.ReservationMinutes is >= 10 and <= 1440, nameof(options.ReservationMinutes), $"is {options.ReservationMinutes}; give 10 to 1440.");
        Check(options.NamePrefix.Length is > 0 and <= 40 && options.NamePrefix.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-'), nameof(options.NamePrefix),
            $"is '{options.NamePrefix}'; give at most 40 lower-case letters, digits and dashes.");
        Check(HostPath.IsPlainAbsolute(options.StateFolder), nameof(options.StateFolder), $"is '{options.StateFolder}'; give an absolute path, for example /var/lib/kernel-gateway/hosts/datalayer.");
        Check(HostPath.IsPlainAbsolute(options.LauncherFolder), nameof(options.LauncherFolder), $"is '{options.LauncherFolder}'; give the absolute path of the folder kernel-images/launcher.");
        Time(options.IngressTimeout, TimeSpan.FromMinutes(30), nameof(options.IngressTimeout));
        Time(options.CallTimeout, TimeSpan.FromMinutes(10), nameof(options.CallTimeout));
        Time(options.LookInterval, TimeSpan.FromHours(1), nameof(options.LookInterval));
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
