using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Commands;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Packages;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Packages of its own. Those of Python lie in its home folder, where its kernels look last: nothing of the system is ever covered.</summary>
public sealed partial class Sandbox
{
    private const string LooksForPip = "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)";
    private const string RunsPip = "exec \"$0\" -I -m pip install --target \"$HOME/.python-packages\" \"$@\"";

    private volatile bool _hasPip;

    /// <summary>The recipe of its kernels.</summary>
    internal EnvironmentDefinition Environment => _environment;

    /// <summary>Runs pip as a command, for the interpreter of a context.</summary>
    internal async Task<Command> InstallPackagesAsync(string? contextId, IReadOnlyList<string> options, IReadOnlyList<string> requirements, double timeout, string? idempotencyKey)
    {
        await AwakeAsync(CancellationToken.None);
        var session = Session(contextId);
        var kernel = _environment.Kernels[session.Record.KernelName];
        if (kernel is not { KeepsLog: true, Language: "python" })
        {
            throw new GatewayException(ErrorCode.NotSupported, $"The kernel '{session.Record.KernelName}' takes no Python packages. Name a context whose kernel speaks Python.", "contextId");
        }

        var python = kernel.Argv[0];
        var variables = KernelVariables(session.Record);
        if (!_hasPip)
        {
            var look = await StartAsync(new StartCommandRequest { Argv = [python, "-I", "-c", LooksForPip], TimeoutSeconds = timeout }, variables);
            await look.Finished;
            _hasPip = look.Info.ExitCode == 0
                ? true
                : throw new GatewayException(ErrorCode.NotSupported, $"There is no pip for {python} in this sandbox, so nothing can be installed. The operator can add python3-pip to packages.txt of the environment '{_environment.Name}' and install it, or build its image again.");
        }

        return await StartAsync(
            new StartCommandRequest { Argv = ["/bin/sh", "-c", RunsPip, python, .. options, "--", .. requirements], TimeoutSeconds = timeout, IdempotencyKey = idempotencyKey }, variables);
    }

    /// <summary>Runs the system's package manager as a command.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/>: no sandbox of this variant may change its system; the message says why, and the way out.</exception>
    internal Task<Command> InstallSystemPackagesAsync(IReadOnlyList<string> arguments, double timeout, string? idempotencyKey) =>
        CommandHost().WhyNoSystemPackages is { } why
            ? throw new GatewayException(ErrorCode.NotSupported, why)
            : StartCommandAsync(new StartCommandRequest { Argv = ["/bin/sh", "-c", SystemPackages.Script, "sh", .. arguments], TimeoutSeconds = timeout, IdempotencyKey = idempotencyKey });
}
