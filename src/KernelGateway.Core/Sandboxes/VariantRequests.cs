using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Checks what a create request says that only some variants can do: GPUs, folders of the host, images, limits, a server of the caller's own.</summary>
internal static class VariantRequests
{
    private const int MaxUrl = 2048;
    private const int MaxToken = 4096;

    /// <summary>Refuses what the variant cannot do and the request or its environment wants all the same.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/> or <see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    public static void Check(CreateSandboxRequest request, EnvironmentDefinition environment, IKernelProvisioner provisioner, Variants variants)
    {
        if (request.Gpu is not null)
        {
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"The variant '{provisioner.Name}' has no GPUs, nor has any other of this gateway. Leave 'gpu' out to run on processors.",
                "gpu");
        }

        if (environment.Mounts.Count > 0 && !provisioner.MountsHostFolders)
        {
            throw new GatewayException(
                ErrorCode.NotSupported,
                $"The environment '{environment.Name}' comes with folders of the host, which the variant '{provisioner.Name}' cannot confine. Variants that can: {string.Join(", ", variants.That(p => p.MountsHostFolders).DefaultIfEmpty("none here"))}.",
                "variant");
        }

        ImageRequests.Check(request.Image, provisioner, variants.All);
        RefuseLimits(request, provisioner, variants);
    }

    /// <summary>The server that the request names; <c>null</c> when it names none.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.NotSupported"/> or <see cref="ErrorCode.InvalidArgument"/>, with the field.</exception>
    public static RequestedServer? ServerOf(CreateSandboxRequest request, IKernelProvisioner provisioner, Variants variants)
    {
        var field = request.ServerUrl is not null ? "serverUrl" : request.ServerToken is not null ? "serverToken" : request.KernelId is not null ? "kernelId" : null;
        if (field is null)
        {
            return null;
        }

        if (!provisioner.TakesServers)
        {
            throw new GatewayException(ErrorCode.NotSupported, $"The variant '{provisioner.Name}' makes its own kernels and takes no '{field}'. {Can(variants.That(p => p.TakesServers))}", field);
        }

        Check(request.ServerUrl is not { Length: > MaxUrl }, "serverUrl", $"may have at most {MaxUrl} characters");
        Check(request.ServerToken is null || (request.ServerToken.Length <= MaxToken && request.ServerToken.All(c => c is > ' ' and <= '~')), "serverToken",
            $"must be printable ASCII without spaces, at most {MaxToken} characters");
        Check(request.ServerToken is null || request.ServerUrl is not null, "serverToken", "belongs to a 'serverUrl', which is missing");
        Check(request.KernelId is null || (request.KernelId.Length is > 0 and <= 64 && request.KernelId.All(c => char.IsAsciiLetterOrDigit(c) || c is '-')), "kernelId",
            "must be 1 to 64 letters, digits and dashes");
        return new RequestedServer(request.ServerUrl, request.ServerToken, request.KernelId);
    }

    /// <summary>A limit that nobody keeps would be a promise broken in silence.</summary>
    private static void RefuseLimits(CreateSandboxRequest request, IKernelProvisioner provisioner, Variants variants)
    {
        var field = request.Cpu is not null ? "cpu" : request.MemoryMb is not null ? "memoryMb" : request.Pids is not null ? "pids"
            : request.DiskMb is not null ? "diskMb" : request.DiskInodes is not null ? "diskInodes" : null;
        if (field is not null && !provisioner.EnforcesLimits)
        {
            throw new GatewayException(ErrorCode.NotSupported, $"The variant '{provisioner.Name}' cannot hold a kernel to limits, so it takes no '{field}'. {Can(variants.That(p => p.EnforcesLimits))}", field);
        }
    }

    /// <summary>The end of a refusal: who can.</summary>
    public static string Can(List<string> names) =>
        names.Count > 0 ? $"Variants that can: {string.Join(", ", names)}." : "No variant of this gateway can.";

    private static void Check(bool right, string field, string problem)
    {
        if (!right)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'{field}' {problem}.", field);
        }
    }
}
