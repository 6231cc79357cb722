using KernelGateway.Core.Provisioning;

namespace KernelGateway.Server.Tests.Support;

/// <summary>A variant like another one, but with none of its optional powers. It goes by a name that this gateway knows and does not have.</summary>
internal sealed class BareVariant(IKernelProvisioner inner) : IKernelProvisioner
{
    public string Name => "local-docker";

    public Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken) => inner.CheckAsync(cancellationToken);

    public async Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken) => new BareHost(await inner.ProvisionAsync(spec, cancellationToken));

    public async Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken) => new BareHost(await inner.ReattachAsync(description, cancellationToken));

    public Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<string>>([]);

    private sealed class BareHost(IKernelHost inner) : IKernelHost
    {
        public IReadOnlyCollection<IHostedKernel> Kernels => inner.Kernels;

        public Task<HostExit> Exited => inner.Exited;

        public Task<IHostedKernel> LaunchKernelAsync(KernelLaunch launch, CancellationToken cancellationToken) => inner.LaunchKernelAsync(launch, cancellationToken);

        public Task TerminateAsync(TimeSpan grace, CancellationToken cancellationToken) => inner.TerminateAsync(grace, cancellationToken);

        public HostDescription Describe() => inner.Describe();

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
