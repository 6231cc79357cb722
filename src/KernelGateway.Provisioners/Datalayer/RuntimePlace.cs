using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Provisioners.JupyterServer;

namespace KernelGateway.Provisioners.Datalayer;

/// <summary>A runtime of the cloud that was made for one sandbox, and its Jupyter Server.</summary>
internal sealed class RuntimePlace(DatalayerRuntime runtime, DatalayerControl control, HttpMessageInvoker http, TimeSpan lookEvery, TimeProvider time) : ServerPlace
{
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _looked = time.GetTimestamp();

    internal override string Variant => DatalayerProvisioner.VariantName;

    internal override bool IsOwn => true;

    internal override bool IsWholeMachine => true;

    internal override string RunsOn => $"runtime {runtime.Pod}";

    internal override Task Gone => _gone.Task;

    internal override string WhyGone => runtime.ExpiresAt is { } end && end <= time.GetUtcNow()
        ? "The runtime is gone: its reservation is over."
        : "The runtime is gone: it was ended, or its credits are used up.";

    internal override async Task LookAsync(CancellationToken cancellationToken)
    {
        if (time.GetElapsedTime(_looked) < lookEvery)
        {
            return;
        }

        _looked = time.GetTimestamp();
        try
        {
            if (await control.FindAsync(runtime.Pod, cancellationToken) is null)
            {
                _gone.TrySetResult();
            }
        }
        catch (GatewayException)
        {
            // The control plane is away, or talks nonsense: that says nothing of the runtime.
        }
    }

    internal override async Task EndAsync(TimeSpan grace)
    {
        try
        {
            await control.DeleteAsync(runtime.Pod, CancellationToken.None);
            _gone.TrySetResult();
        }
        catch (GatewayException e)
        {
            throw new IOException($"The runtime {runtime.Pod} may still live and cost: {e.Message}", e);
        }
    }

    internal override JsonObject Describe() => new() { ["pod"] = runtime.Pod, ["uid"] = runtime.Uid };

    /// <summary>Is told when the place was let go.</summary>
    internal required Action<string> LetGo { get; init; }

    public override void Dispose()
    {
        http.Dispose();
        LetGo(SandboxId);
    }
}
