using KernelGateway.Contracts;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Snapshots;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Its birth. Birth, re-attachment and end happen one at a time, under <c>_life</c>.</summary>
public sealed partial class Sandbox
{
    /// <summary>Makes its place and its first kernel; on failure nothing is left but the record that says why.</summary>
    /// <param name="provisioner">Makes its place.</param>
    /// <param name="from">The snapshot it is made from, if any.</param>
    /// <param name="server">The server that its owner names for it, if any.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task StartAsync(IKernelProvisioner provisioner, OpenedSnapshot? from, RequestedServer? server, CancellationToken cancellationToken)
    {
        await _life.WaitAsync(cancellationToken);
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
            cancellationToken = either.Token;
            cancellationToken.ThrowIfCancellationRequested();
            Enter(SandboxState.Starting, null);
            var host = await provisioner.ProvisionAsync(
                new HostSpec(Id, _environment, _record.Limits, Merge(_environment.Variables, _record.Variables)) { Image = _record.Image, Server = server }, cancellationToken);
            Fault.At("sandbox.host_made");
            Change(r => r with { Host = host.Describe() }, host);
            Fault.At("sandbox.host_saved");
            _commands.Attach(host, null);
            await OpenEgressAsync(host, cancellationToken);
            if (from is null)
            {
                await StartDefaultAsync(host, cancellationToken);
                Fault.At("sandbox.kernel_launched");
                RememberKernel(_contexts.Find(null));
            }
            else
            {
                await RestoreAsync(host, from, cancellationToken);
            }

            Enter(SandboxState.Running, null);
            _ = WatchAsync(host);
        }
        catch (Exception) when (_ending.IsCancellationRequested)
        {
            await EndAsync(SandboxState.Terminated, ReasonCodes.Terminated, "It was terminated while it was being started.", TimeSpan.Zero);
            throw EndedMeanwhile();
        }
        catch (Exception e)
        {
            await EndAsync(SandboxState.Failed, ReasonCodes.Failed, e is GatewayException ? e.Message : "It could not be started.", TimeSpan.Zero);
            throw;
        }
        finally
        {
            _started.TrySetResult();
            _life.Release();
        }
    }

    private async Task StartDefaultAsync(IKernelHost host, CancellationToken cancellationToken)
    {
        var session = NewSession(host, DefaultPlan);
        _contexts.Add(session); // At once: it is shown while it starts.
        await session.StartAsync(NextKernelId(), KernelVariables(), cancellationToken);
    }

    private static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> first, IReadOnlyDictionary<string, string> over)
    {
        var merged = new Dictionary<string, string>(first);
        foreach (var (name, value) in over)
        {
            merged[name] = value;
        }

        return merged;
    }
}
