using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Api;

/// <summary>Whether the gateway lives, and whether it can make sandboxes; open to everybody, and saying nothing that helps an attacker.</summary>
internal static class HealthEndpoints
{
    private static readonly string Version = typeof(HealthEndpoints).Assembly.GetName().Version?.ToString(3) ?? "0";

    public static void MapHealth(this WebApplication app)
    {
        app.MapGet("/health", () => new { Status = "ok", Version }).WithTags("Health").WithSummary("The gateway lives.");
        app.MapGet("/health/ready", ReadyAsync).WithTags("Health").WithSummary("Whether sandboxes of the default variant can be made, and why not.");
    }

    private static async Task<IResult> ReadyAsync(SandboxRegistry registry, IOptions<SandboxOptions> options, CancellationToken cancellationToken)
    {
        var variants = new SortedDictionary<string, ProvisionerReadiness>(StringComparer.Ordinal);
        foreach (var (name, provisioner) in registry.Provisioners)
        {
            variants[name] = await provisioner.CheckAsync(cancellationToken);
        }

        var wanted = VariantName.Normalize(options.Value.DefaultVariant);
        var ready = variants.TryGetValue(wanted, out var found) && found.Ready;
        var reason = ready ? null : $"The default variant '{wanted}' is not ready.";
        return TypedResults.Json(new { Ready = ready, Reason = reason, Variants = variants }, statusCode: ready ? 200 : 503);
    }
}
