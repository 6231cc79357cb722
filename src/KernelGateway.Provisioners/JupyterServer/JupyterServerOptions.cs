using KernelGateway.Provisioners.Process;
using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>Settings of the <c>local-jupyter</c> variant: kernels in a Jupyter Server. Section <c>Gateway:LocalJupyter</c>. Without any of them the variant is switched off.</summary>
public sealed class JupyterServerOptions
{
    /// <summary>Where the settings stand in the configuration.</summary>
    public const string Section = "Gateway:LocalJupyter";

    /// <summary>The base address of a Jupyter Server that runs already; empty: none.</summary>
    public string Url { get; set; } = "";

    /// <summary>The token of that server.</summary>
    public string Token { get; set; } = "";

    /// <summary>A file with the token of that server, read at each use, instead of <see cref="Token"/>.</summary>
    public string TokenFile { get; set; } = "";

    /// <summary>Must be set to allow that the gateway starts a Jupyter Server for each sandbox, when no <see cref="Url"/> is given: its code runs with all rights of the gateway.</summary>
    public bool StartServers { get; set; }

    /// <summary>Whether callers may name a server of their own; only public addresses are connected to, and those of <c>Gateway:Network:AllowedPrivateAddresses</c>.</summary>
    public bool AllowRequestServers { get; set; }

    /// <summary>Whether callers may name a kernel that lives in the server of <see cref="Url"/>: whoever may can take over any kernel there.</summary>
    public bool AllowAdoption { get; set; }

    /// <summary>Folder for the servers that are started; when empty, <c>hosts/jupyter</c> in the gateway's data directory. Only this gateway may use it. Short: a socket's path ends at 107 bytes.</summary>
    public string StateFolder { get; set; } = "";

    /// <summary>The folder with <c>remote_agent.py</c>.</summary>
    public string LauncherFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images", "launcher");

    /// <summary>The interpreter that runs the servers that are started.</summary>
    public string PythonPath { get; set; } = "/usr/bin/python3";

    /// <summary>How long a server that was started may take until it answers.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(60);
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
internal sealed class JupyterServerOptionsValidator : IValidateOptions<JupyterServerOptions>
{
    public ValidateOptionsResult Validate(string? name, JupyterServerOptions options)
    {
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{JupyterServerOptions.Section}:{setting} {how}");
            }
        }

        if (options.Url.Length > 0)
        {
            var problem = ServerAccess.Problem(options.Url);
            Check(problem is null, nameof(options.Url), $"{problem}.");
        }

        Check(options.Url.Length == 0 || !options.StartServers, nameof(options.StartServers), $"and {nameof(options.Url)} exclude each other; choose a server that runs already, or servers that are started.");
        Check(options.Token.Length == 0 || options.TokenFile.Length == 0, nameof(options.TokenFile), $"and {nameof(options.Token)} are both given; give one of them.");
        Check(options.Url.Length > 0 || (options.Token.Length == 0 && options.TokenFile.Length == 0), nameof(options.Token), $"belongs to {nameof(options.Url)}, which is empty.");
        Check(options.Token.All(c => c is > ' ' and <= '~'), nameof(options.Token), "holds something else than printable ASCII without spaces.");
        Check(options.TokenFile.Length == 0 || HostPath.IsPlainAbsolute(options.TokenFile), nameof(options.TokenFile),
            $"is '{options.TokenFile}'; give an absolute path.");
        Check(HostPath.IsPlainAbsolute(options.StateFolder) && (options.StateFolder.Length <= ProcessProvisionerOptionsValidator.MaxStateFolderLength || !options.StartServers),
            nameof(options.StateFolder), $"is '{options.StateFolder}'; give an absolute path of at most {ProcessProvisionerOptionsValidator.MaxStateFolderLength} characters, for example /var/lib/kernel-gateway/hosts/jupyter.");
        Check(HostPath.IsPlainAbsolute(options.PythonPath), nameof(options.PythonPath),
            $"is '{options.PythonPath}'; give an absolute path, for example /usr/bin/python3.11.");
        Check(HostPath.IsPlainAbsolute(options.LauncherFolder), nameof(options.LauncherFolder), $"is '{options.LauncherFolder}'; give the absolute path of the folder kernel-images/launcher.");
        Check(options.StartTimeout > TimeSpan.Zero && options.StartTimeout <= TimeSpan.FromMinutes(10), nameof(options.StartTimeout),
            $"is {options.StartTimeout}; give more than zero and at most ten minutes, for example 00:01:00.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
