using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.JupyterServer;

/// <summary>A Jupyter Server of somebody else: only the kernels that were started there for the sandbox end with it.</summary>
internal sealed class ExternalPlace : ServerPlace
{
    internal override string Variant => JupyterServerProvisioner.VariantName;

    internal override bool IsOwn => false;

    internal override string RunsOn => $"server {Access}";

    internal override Task Gone { get; } = new TaskCompletionSource().Task;

    internal override string WhyGone => "The Jupyter Server has gone.";

    internal override Task EndAsync(TimeSpan grace) => Task.CompletedTask;

    internal override JsonObject Describe() => [];

    public override void Dispose()
    {
    }
}
