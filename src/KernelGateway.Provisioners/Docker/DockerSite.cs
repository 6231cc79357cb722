using System.Text.Json;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Provisioners.Containers;
using KernelGateway.Provisioners.Launcher;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Docker;

/// <summary>This host with its Docker engine: makes containers and removes them without a trace.</summary>
internal sealed partial class DockerSite(DockerProvisionerOptions options, DockerEngine engine, ContainerGround ground, SharedFiles shared)
{
    private static readonly TimeSpan InspectDeadline = TimeSpan.FromSeconds(10);

    internal ContainerGround Ground => ground;

    internal DockerEngine Engine => engine;

    /// <summary>Makes and starts a container. On failure nothing is left.</summary>
    /// <param name="id">The sandbox's id.</param>
    /// <param name="image">What it runs on.</param>
    /// <param name="limits">What it may use at most.</param>
    /// <param name="policy">How it is confined.</param>
    /// <param name="cancellationToken">Stops before the next step.</param>
    /// <exception cref="GatewayException">With what the engine said.</exception>
    internal async Task<DockerPlace> StartAsync(string id, DockerImage image, ResourceLimits limits, DockerPolicy policy, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Directory.Exists(ground.Folders.Of(id).Root) || !ground.Held.TryHold(id))
        {
            throw new GatewayException(ErrorCode.Conflict, $"There is a sandbox '{id}' on this host already.");
        }

        DockerSandbox? sandbox = null;
        try
        {
            var slot = ground.Slots.Take(id)
                ?? throw new GatewayException(ErrorCode.LimitReached, $"All {options.UidSlots} user ids are in use; {DockerProvisionerOptions.Section}:{nameof(options.UidSlots)} allows more.");
            sandbox = Find(id, slot);
            var uid = ground.Slots.KernelUid(slot);
            Fault.At("docker.slot_taken");
            sandbox.Folders.Create(uid);
            await ground.Disks.MakeAsync(sandbox.Folders, uid, limits, disk => MakeOwnFolders(disk, uid));
            MakeStdio(sandbox.Folders.Stdio, uid);
            sandbox.WriteEtc(uid);
            Fault.At("docker.disks_made");
            cancellationToken.ThrowIfCancellationRequested();
            // From here on not with the caller's token: what an engine was asked for happens, whether or not somebody waits.
            var container = await engine.CreateAsync(sandbox.Container, policy.ForSandbox(sandbox, shared.Launcher, uid, image, limits), CancellationToken.None);
            Fault.At("docker.container_made");
            await engine.StartAsync(container, CancellationToken.None);
            Fault.At("docker.container_started");
            cancellationToken.ThrowIfCancellationRequested();
            return await OpenStartedAsync(sandbox, container, image);
        }
        catch (Exception error)
        {
            await ground.Held.TakeBackAsync(id, sandbox is null ? null : () => RemoveAsync(sandbox), error);
            if (error is EngineException or IOException or UnauthorizedAccessException)
            {
                var code = error is EngineException { Status: null } ? ErrorCode.HostNotReady : ErrorCode.KernelFailed;
                throw new GatewayException(code, $"The container could not be started: {error.Message}", inner: error);
            }

            throw;
        }
    }

    /// <summary>Finds a container again, engine or not; <c>null</c> when its first process is gone.</summary>
    internal DockerPlace? Reopen(string id, LauncherState state)
    {
        var process = WatchedProcess.Open(state.PlaceNumber("pid"), state.PlaceText("startedAt"));
        if (process is null)
        {
            return null;
        }

        ground.Held.Hold(id);
        return new DockerPlace(this, Find(id, state.PlaceNumber("slot")), state.PlaceText("container"), state.PlaceText("cgroup"), state.PlaceText("image"), process);
    }

    /// <summary>Where the sandbox of an id lies, whether or not it exists.</summary>
    internal DockerSandbox Find(string id, int slot) => new(id, slot, ground.Folders.Of(id), DockerSandbox.NameOf(options.StateFolder, id));

    private static void MakeOwnFolders(string disk, uint uid)
    {
        foreach (var path in DockerPolicy.OwnFolders.Select(name => Path.Combine(disk, name)))
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            SandboxDisks.Give(path, uid);
        }
    }

    /// <summary>A file that the sandbox can write to and, because it is mounted by itself, not replace.</summary>
    private static void MakeStdio(string path, uint uid)
    {
        File.Create(path).Dispose();
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        SandboxDisks.Give(path, uid);
    }

    private async Task<DockerPlace> OpenStartedAsync(DockerSandbox sandbox, string container, DockerImage image)
    {
        var state = await engine.InspectAsync(container, InspectDeadline, CancellationToken.None);
        var pid = PidOf(state);
        if (WatchedProcess.Open(pid) is not { } process)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The container ended at once. {TextTail.Clean(EngineAnswer.Text(state, "State", "Error") ?? "")} {TextTail.OfFile(sandbox.Folders.Stdio)}".TrimEnd());
        }

        // Said by the engine, and believed only when the kernel of this host says the same: an engine elsewhere, or one that
        // lies, must not make any process of this host ours to kill.
        if (GroupOf(pid, container) is { } cgroup)
        {
            return new DockerPlace(this, sandbox, container, cgroup, image.Label, process);
        }

        process.Dispose();
        throw new GatewayException(ErrorCode.HostNotReady, $"The Docker engine at {engine.SocketPath} does not run its containers on this host: process {pid} here is not in the control group of container {container[..12]}. Use the engine of this host.");
    }

    private static int PidOf(JsonElement state) => EngineAnswer.Number(state, "State", "Pid") is > 0 and <= int.MaxValue and var number ? (int)number : 0;

    /// <summary>The control group of a container's first process; <c>null</c> when this host has no such process, or it is another container's.</summary>
    private string? GroupOf(int pid, string container)
    {
        var file = $"/proc/{pid}/cgroup";
        try
        {
            return ground.Layout.GroupIn(File.ReadAllLines(file), "memory") is { } cgroup && cgroup.Contains(container, StringComparison.Ordinal) ? cgroup : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
