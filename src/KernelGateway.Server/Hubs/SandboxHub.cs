using System.Runtime.CompilerServices;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Files;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Files;
using KernelGateway.Core.Packages;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Api;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Options;
using FileOptions = KernelGateway.Core.Files.FileOptions;

namespace KernelGateway.Server.Hubs;

/// <summary>Sandboxes over SignalR. A slow client falls behind in the journal and holds up nobody.</summary>
internal sealed partial class SandboxHub(SandboxRegistry registry, PackageInstaller packages, IOptions<FileOptions> files) : Hub
{
    /// <summary>Events after a number, and new ones as they come, until the sandbox has ended or the client stops.</summary>
    public IAsyncEnumerable<SandboxEvent> StreamEvents(string sandboxId, long after, CancellationToken cancellationToken)
    {
        var sandbox = Find(sandboxId);
        EventEndpoints.CheckAfter(sandbox, after);
        return Stream(sandbox, after, cancellationToken);
    }

    /// <summary>Runs code; answers at once, the rest comes as events.</summary>
    public async Task<ExecutionInfo> RunCode(string sandboxId, RunCodeRequest request) =>
        (await Find(sandboxId).RunCodeAsync(
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'code'.", "code"),
            Context.ConnectionAborted)).Info;

    /// <summary>Starts another kernel in the sandbox, with a namespace and a queue of its own.</summary>
    public Task<ContextInfo> CreateContext(string sandboxId, CreateContextRequest? request) =>
        Find(sandboxId).CreateContextAsync(request ?? new CreateContextRequest(), Context.ConnectionAborted);

    /// <summary>The contexts of a sandbox; the first is the default one.</summary>
    public IReadOnlyList<ContextInfo> ListContexts(string sandboxId) => Find(sandboxId).Contexts;

    /// <summary>Ends a context's kernel and forgets the context.</summary>
    public Task RemoveContext(string sandboxId, string contextId) =>
        Find(sandboxId).RemoveContextAsync(contextId ?? "", Context.ConnectionAborted);

    /// <summary>Stops a run; the kernel and its variables stay.</summary>
    public Task Interrupt(string sandboxId, string executionId) =>
        Find(sandboxId).InterruptAsync(executionId ?? "", Context.User.Describe(), escalate: false, Context.ConnectionAborted);

    /// <summary>Stops a run; when an interrupt does not help, with more and more force until it has ended.</summary>
    public Task ForceInterrupt(string sandboxId, string executionId) =>
        Find(sandboxId).InterruptAsync(executionId ?? "", Context.User.Describe(), escalate: true, Context.ConnectionAborted);

    /// <summary>Changes limits, times, name and tags of a running sandbox: all that is named, or nothing.</summary>
    public async Task<SandboxInfo> UpdateSandbox(string sandboxId, UpdateSandboxRequest request)
    {
        var sandbox = Find(sandboxId);
        await registry.UpdateAsync(
            sandbox,
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with what shall change."),
            Context.ConnectionAborted);
        return sandbox.Info;
    }

    /// <summary>Stops everything in a sandbox where it stands; its memory stays in use.</summary>
    public async Task<SandboxInfo> PauseSandbox(string sandboxId, PauseRequest? request)
    {
        var sandbox = Find(sandboxId);
        await registry.PauseAsync(sandbox, request, Context.ConnectionAborted);
        return sandbox.Info;
    }

    /// <summary>Lets a paused sandbox go on.</summary>
    public async Task<SandboxInfo> ResumeSandbox(string sandboxId)
    {
        var sandbox = Find(sandboxId);
        await sandbox.ResumeAsync(Context.ConnectionAborted);
        return sandbox.Info;
    }

    /// <summary>What a sandbox uses and has used.</summary>
    public SandboxUsage GetUsage(string sandboxId) => registry.ReadUsage(Find(sandboxId));

    /// <summary>Keeps the files and variables of a sandbox as they are now.</summary>
    public Task<SnapshotInfo> CreateSnapshot(string sandboxId, CreateSnapshotRequest request) => registry.SnapshotAsync(
        Find(sandboxId),
        request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'name'.", "name"),
        Context.ConnectionAborted);

    /// <summary>Makes sandboxes that have what this one has now; each child is a sandbox or an error.</summary>
    public async Task<ForkResult> ForkSandbox(string sandboxId, ForkRequest? request) =>
        SnapshotEndpoints.Describe(await registry.ForkAsync(Find(sandboxId), request ?? new ForkRequest(), Context.ConnectionAborted));

    /// <summary>Answers the <c>input()</c> that a run waits in.</summary>
    public Task ReplyInput(string sandboxId, string executionId, string value) =>
        Find(sandboxId).ReplyInputAsync(
            executionId ?? "",
            value ?? throw new GatewayException(ErrorCode.InvalidArgument, "'value' is missing.", "value"),
            Context.ConnectionAborted);

    /// <summary>Runs a command beside the code; answers when it runs, the rest comes as events.</summary>
    public async Task<CommandInfo> StartCommand(string sandboxId, StartCommandRequest request) =>
        (await Find(sandboxId).StartCommandAsync(request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'command' or 'argv'.", "command"))).Info;

    /// <summary>Writes to the standard input of a command, or closes it.</summary>
    public Task WriteCommandInput(string sandboxId, string commandId, CommandInputRequest request) =>
        Find(sandboxId).WriteCommandAsync(
            commandId ?? "",
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The third argument must be an object with 'text', 'base64' or 'close'.", "text"),
            Context.ConnectionAborted);

    /// <summary>Sends a signal to the process group of a command.</summary>
    public Task SignalCommand(string sandboxId, string commandId, string signal) =>
        Find(sandboxId).SignalCommandAsync(commandId ?? "", signal, Context.ConnectionAborted);

    /// <summary>Ends a command and all it has started, at once.</summary>
    public Task KillCommand(string sandboxId, string commandId) => Find(sandboxId).KillCommandAsync(commandId ?? "", Context.ConnectionAborted);

    /// <summary>Changes the size of a command's terminal.</summary>
    public Task ResizeCommand(string sandboxId, string commandId, int columns, int rows) =>
        Find(sandboxId).ResizeCommandAsync(commandId ?? "", new PtySize(columns, rows), Context.ConnectionAborted);

    /// <summary>Installs Python packages with pip, as a command; answers when it runs, the rest comes as events.</summary>
    public async Task<CommandInfo> InstallPackages(string sandboxId, InstallPackagesRequest request) =>
        (await packages.InstallAsync(
            Find(sandboxId),
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'packages'.", "packages"))).Info;

    /// <summary>Installs packages of the system, as a command, where the variant lets a sandbox change it; answers when it runs, the rest comes as events.</summary>
    public async Task<CommandInfo> InstallSystemPackages(string sandboxId, InstallSystemPackagesRequest request) =>
        (await packages.InstallSystemAsync(
            Find(sandboxId),
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'packages'.", "packages"))).Info;

    /// <summary>Changes of files below a folder, from <c>ready</c> on, until the sandbox has ended or the client stops.</summary>
    public IAsyncEnumerable<FileChange> WatchFiles(string sandboxId, string? path, bool recursive, CancellationToken cancellationToken)
    {
        var sandbox = Find(sandboxId);
        var changes = sandbox.Files.WatchAsync(SandboxPath.Parse(path ?? "."), recursive, files.Value.MaxWatchedFolders, cancellationToken);
        return Hold(sandbox, changes, cancellationToken);
    }

    private static async IAsyncEnumerable<FileChange> Hold(Sandbox sandbox, IAsyncEnumerable<FileChange> changes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lease = sandbox.Lease();
        await foreach (var change in changes.WithCancellation(cancellationToken))
        {
            yield return change;
        }
    }

    private static async IAsyncEnumerable<SandboxEvent> Stream(Sandbox sandbox, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var lease = sandbox.Lease();
        await foreach (var entry in sandbox.Journal.ReadAsync(after, follow: true, cancellationToken))
        {
            yield return EventProjection.Project(entry);
        }
    }

    private Sandbox Find(string? sandboxId) => registry.Get(sandboxId ?? "", Context.User.Owner());
}
