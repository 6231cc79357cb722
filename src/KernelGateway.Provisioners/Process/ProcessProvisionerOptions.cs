using Microsoft.Extensions.Options;

namespace KernelGateway.Provisioners.Process;

/// <summary>Settings of the <c>local-eval</c> variant: kernels as plain processes with no isolation at all. Section <c>Gateway:LocalEval</c>.</summary>
public sealed class ProcessProvisionerOptions
{
    /// <summary>Where the settings stand in the configuration.</summary>
    public const string Section = "Gateway:LocalEval";

    /// <summary>Must be set to allow the variant: its code runs with all rights of the gateway.</summary>
    public bool Enabled { get; set; }

    /// <summary>Folder for sockets, logs and workspaces; when empty, <c>hosts/eval</c> in the gateway's data directory. Only this gateway may use it. Short: a socket's path ends at 107 bytes.</summary>
    public string StateFolder { get; set; } = "";

    /// <summary>The interpreter that runs the launcher.</summary>
    public string PythonPath { get; set; } = "/usr/bin/python3";

    /// <summary>The folder with <c>agent.py</c> and <c>kernel.py</c>.</summary>
    public string LauncherFolder { get; set; } = Path.Combine(AppContext.BaseDirectory, "kernel-images", "launcher");

    /// <summary>How long the agent may take until it answers.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(30);
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
internal sealed class ProcessProvisionerOptionsValidator : IValidateOptions<ProcessProvisionerOptions>
{
    /// <summary>Leaves room for the sandbox's and the kernel's id in the path of a socket.</summary>
    internal const int MaxStateFolderLength = 55;

    public ValidateOptionsResult Validate(string? name, ProcessProvisionerOptions options)
    {
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{ProcessProvisionerOptions.Section}:{setting} {how}");
            }
        }

        // Derived from the data directory: a long one must not stop a gateway that never uses this variant.
        Check(HostPath.IsPlainAbsolute(options.StateFolder) && (options.StateFolder.Length <= MaxStateFolderLength || !options.Enabled), nameof(options.StateFolder),
            $"is '{options.StateFolder}'; give an absolute path of at most {MaxStateFolderLength} characters, for example /var/lib/kernel-gateway/hosts/eval.");
        Check(HostPath.IsPlainAbsolute(options.PythonPath), nameof(options.PythonPath),
            $"is '{options.PythonPath}'; give an absolute path, for example /usr/bin/python3.11.");
        Check(HostPath.IsPlainAbsolute(options.LauncherFolder), nameof(options.LauncherFolder),
            $"is '{options.LauncherFolder}'; give the absolute path of the folder with agent.py, for example /opt/kernel-gateway/kernel-images/launcher.");
        Check(options.StartTimeout > TimeSpan.Zero && options.StartTimeout <= TimeSpan.FromMinutes(10), nameof(options.StartTimeout),
            $"is {options.StartTimeout}; give more than zero and at most ten minutes, for example 00:00:30.");
        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
