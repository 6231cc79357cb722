using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>A Jupyter Server that the gateway has started for one sandbox, as a process of this host.</summary>
internal sealed class StartedPlace(JupyterServerSite site, WatchedProcess server) : ServerPlace
{
    private static readonly TimeSpan KillPatience = TimeSpan.FromSeconds(5);

    internal override string Variant => JupyterServerProvisioner.VariantName;

    internal override bool IsOwn => true;

    internal override bool EndsItsProcesses => true;

    internal override string WhyNoSystemPackages =>
        "The Jupyter Server of this sandbox runs on the gateway's own host, whose system no sandbox may change. Install packages on the host, or use the variant 'local' with an image made by kernel-images/build.sh.";

    internal override string RunsOn => "host";

    internal override string WorkFolder => site.FoldersOf(SandboxId).Work;

    internal override Task Gone => server.Exited;

    internal override string WhyGone => TextTail.OfFile(site.FoldersOf(SandboxId).Stdio) is { Length: > 0 } words
        ? $"The Jupyter Server of the sandbox ended unexpectedly. Its last words: {words}"
        : "The Jupyter Server of the sandbox ended unexpectedly.";

    internal override async Task EndAsync(TimeSpan grace)
    {
        if (grace > TimeSpan.Zero)
        {
            // It asks its kernels to end, and then ends.
            server.Signal(LibC.SigTerm);
            await Task.WhenAny(server.Exited, Task.Delay(grace, site.Ground.Time));
        }

        // By its number, which is known: while a process becomes another program, nobody can read its mark.
        server.Signal(LibC.SigKill);
        await Task.WhenAny(server.Exited, Task.Delay(KillPatience, site.Ground.Time));
        await site.Ground.RemoveAsync(SandboxId);
    }

    internal override JsonObject Describe() => new() { ["pid"] = server.Pid, ["startedAt"] = server.StartedAt };

    public override void Dispose()
    {
        server.Dispose();
        site.Ground.Held.LetGo(SandboxId);
    }
}
