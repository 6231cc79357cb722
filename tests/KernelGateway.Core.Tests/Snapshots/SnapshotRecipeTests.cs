using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Core.Snapshots;
using Microsoft.Extensions.Logging.Abstractions;

namespace KernelGateway.Core.Tests.Snapshots;

/// <summary>What a sandbox takes over from a snapshot, and what is said or refused when its variant cannot keep it.</summary>
[Parallelizable(ParallelScope.All)]
public sealed class SnapshotRecipeTests
{
    private static readonly SandboxOptions Options = new();

    private static readonly Variants Variants = new([new Variant("local", true), new Variant("local-docker", true), new Variant("local-eval", false), new Variant("local-jupyter", false)], Options, NullLogger.Instance);

    private static readonly CreateSandboxRequest Recipe = new()
    {
        Variant = "local",
        Environment = "env",
        LifetimeSeconds = 0,
        Cpu = 0.5,
        MemoryMb = 300,
        Pids = 64,
        DiskMb = 100,
        DiskInodes = 1000,
        NetworkPolicy = NetworkPolicy.Allowlist,
        AllowedHosts = ["example.org"],
        DeniedHosts = [],
        Image = "image:1",
        AutoResume = true,
    };

    [Test]
    public void The_same_variant_takes_over_everything_in_silence()
    {
        var (request, warnings) = Complete(new CreateSandboxRequest { Name = "new", Pids = 32 });

        request.Should().BeEquivalentTo(Recipe with { Name = "new", Pids = 32, Env = new Dictionary<string, string>() });
        warnings.Should().BeEmpty();
    }

    [Test]
    public void Limits_that_a_variant_cannot_keep_are_left_out_and_told()
    {
        var (request, warnings) = Complete(new CreateSandboxRequest { Variant = "Local_Eval", NetworkPolicy = NetworkPolicy.All });

        request.Should().Match<CreateSandboxRequest>(r => r.Cpu == null && r.MemoryMb == null && r.Pids == null && r.DiskMb == null && r.DiskInodes == null && r.AllowedHosts == null);
        warnings.Should().Equal(
            "The limits of the snapshot's sandbox (cpu 0.5, memoryMb 300, pids 64, diskMb 100, diskInodes 1000) were not taken over: the variant 'local-eval' cannot hold a kernel to limits. Variants that can: local, local-docker.");
    }

    [Test]
    public void A_limit_that_the_request_names_stays_in_it_so_that_it_is_refused() =>
        Complete(new CreateSandboxRequest { Variant = "local-eval", MemoryMb = 300, NetworkPolicy = NetworkPolicy.All }).Request.Should().Match<CreateSandboxRequest>(r => r.MemoryMb == 300 && r.Cpu == null);

    [Test]
    public void Limits_that_nobody_kept_before_are_not_missed()
    {
        var (request, warnings) = SnapshotRecipe.Complete(new CreateSandboxRequest { Variant = "local-jupyter" }, Recipe with { Variant = "local-eval", NetworkPolicy = NetworkPolicy.All, AllowedHosts = [] }, Variants, Options);

        request.MemoryMb.Should().BeNull();
        warnings.Should().BeEmpty();
    }

    [TestCase(NetworkPolicy.None, false)]
    [TestCase(NetworkPolicy.Allowlist, false)]
    [TestCase(NetworkPolicy.All, true)]
    public void A_network_policy_that_the_variant_cannot_enforce_is_refused_until_the_request_gives_it_up(NetworkPolicy policy, bool denies)
    {
        var recipe = Recipe with { NetworkPolicy = policy, AllowedHosts = [], DeniedHosts = denies ? ["*"] : [] };

        var refused = FluentActions.Invoking(() => SnapshotRecipe.Complete(new CreateSandboxRequest { Variant = "local-eval" }, recipe, Variants, Options)).Should().Throw<GatewayException>().Which;

        refused.Code.Should().Be(ErrorCode.NotSupported);
        refused.Field.Should().Be("networkPolicy");
        refused.Message.Should().Contain(policy.ToString().ToLowerInvariant()).And.Contain("Set 'networkPolicy' to 'all'").And.Contain("local, local-docker");
        SnapshotRecipe.Complete(new CreateSandboxRequest { Variant = "local-eval", NetworkPolicy = NetworkPolicy.All }, recipe, Variants, Options).Request
            .Should().Match<CreateSandboxRequest>(r => r.NetworkPolicy == NetworkPolicy.All && r.DeniedHosts == null);
    }

    [Test]
    public void Another_variant_that_can_takes_over_the_network_policy_and_not_the_image() =>
        Complete(new CreateSandboxRequest { Variant = "local-docker" }).Request
            .Should().Match<CreateSandboxRequest>(r => r.NetworkPolicy == NetworkPolicy.Allowlist && r.AllowedHosts!.Single() == "example.org" && r.MemoryMb == 300 && r.Image == null);

    [Test]
    public void The_only_policy_of_a_variant_that_has_no_other_is_not_taken_over_by_one_that_has() =>
        SnapshotRecipe.Complete(new CreateSandboxRequest { Variant = "local" }, Recipe with { Variant = "local-eval", NetworkPolicy = NetworkPolicy.All, AllowedHosts = [] }, Variants, Options)
            .Request.NetworkPolicy.Should().BeNull("the default is what a new sandbox gets");

    [Test]
    public void Folders_of_the_host_that_come_with_the_environment_are_refused_where_they_cannot_be_confined()
    {
        var environment = new EnvironmentDefinition
        {
            Name = "env",
            Title = "",
            Language = "",
            DefaultKernel = "",
            Kernels = new Dictionary<string, EnvironmentKernel>(),
            Mounts = [new HostMount { Source = "/srv", Target = "/data" }],
        };
        var request = Complete(new CreateSandboxRequest { Variant = "local-eval", NetworkPolicy = NetworkPolicy.All }).Request with { Image = null };

        var refused = FluentActions.Invoking(() => VariantRequests.Check(request, environment, Variants.Get("local-eval"), Variants)).Should().Throw<GatewayException>().Which;

        refused.Code.Should().Be(ErrorCode.NotSupported);
        refused.Message.Should().Contain("folders of the host").And.Contain("local, local-docker");
        FluentActions.Invoking(() => VariantRequests.Check(request, environment, Variants.Get("local"), Variants)).Should().NotThrow();
    }

    private static (CreateSandboxRequest Request, IReadOnlyList<string> Warnings) Complete(CreateSandboxRequest request) => SnapshotRecipe.Complete(request, Recipe, Variants, Options);

    /// <summary>A variant that only says what it can do.</summary>
    private sealed class Variant(string name, bool isStrong) : IKernelProvisioner
    {
        public string Name => name;

        public bool ConfinesNetwork => isStrong;

        public bool MountsHostFolders => isStrong;

        public bool EnforcesLimits => isStrong;

        public Task<ProvisionerReadiness> CheckAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IKernelHost> ProvisionAsync(HostSpec spec, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IKernelHost> ReattachAsync(HostDescription description, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<IReadOnlyList<string>> RemoveOrphansAsync(IReadOnlySet<string> known, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
