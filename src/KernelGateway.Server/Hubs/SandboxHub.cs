using System.Runtime.CompilerServices;
using KernelGateway.Contracts.Events;
using KernelGateway.Contracts.Executions;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Executions;
using KernelGateway.Core.Files;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Server.Api;
using KernelGateway.Server.Security;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.Options;
using FileOptions = KernelGateway.Core.Files.FileOptions;

namespace KernelGateway.Server.Hubs;

/// <summary>Sandboxes over SignalR. A slow client falls behind in the journal and holds up nobody.</summary>
internal sealed class SandboxHub(SandboxRegistry registry, IOptions<FileOptions> files) : Hub
{
    /// <summary>Events after a number, and new ones as they come, until the sandbox has ended or the client stops.</summary>
    public IAsyncEnumerable<SandboxEvent> StreamEvents(string sandboxId, long after, CancellationToken cancellationToken)
    {
        var sandbox = Find(sandboxId);
        EventEndpoints.CheckAfter(sandbox, after);
        return Stream(sandbox, after, cancellationToken);
    }

    /// <summary>Runs code; answers at once, the rest comes as events.</summary>
    public ExecutionInfo RunCode(string sandboxId, RunCodeRequest request) =>
        Find(sandboxId).RunCode(request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'code'.", "code")).Info;

    /// <summary>Stops a run; the kernel and its variables stay.</summary>
    public Task Interrupt(string sandboxId, string executionId) =>
        Find(sandboxId).InterruptAsync(executionId ?? "", Context.ConnectionAborted);

    /// <summary>Answers the <c>input()</c> that a run waits in.</summary>
    public Task ReplyInput(string sandboxId, string executionId, string value) =>
        Find(sandboxId).ReplyInputAsync(
            executionId ?? "",
            value ?? throw new GatewayException(ErrorCode.InvalidArgument, "'value' is missing.", "value"),
            Context.ConnectionAborted);

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
