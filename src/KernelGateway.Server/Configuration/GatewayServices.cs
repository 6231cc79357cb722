using System.Text.Json;
using System.Text.Json.Serialization;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Journals;
using KernelGateway.Core.Packages;
using KernelGateway.Core.Policies;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Core.Snapshots;
using KernelGateway.Core.Webhooks;
using KernelGateway.Provisioners;
using KernelGateway.Server.Api;
using KernelGateway.Server.Hubs;
using KernelGateway.Server.Security;
using KernelGateway.Storage.Sqlite;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.SignalR;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Configuration;

/// <summary>What the gateway is made of, and the configuration section of each part.</summary>
internal static class GatewayServices
{
    public static void AddGateway(this IServiceCollection services, IConfiguration configuration)
    {
        var gateway = configuration.GetSection("Gateway");
        Bind<DataOptions>(services, gateway);
        Bind<ServerOptions>(services, gateway);
        Bind<LimitOptions>(services, gateway.GetSection("Limits"));
        Bind<JournalOptions>(services, gateway.GetSection("Journal"));
        Bind<SandboxOptions>(services, gateway.GetSection("Sandboxes"));
        Bind<Core.Files.FileOptions>(services, gateway.GetSection("Files"));
        Bind<SnapshotOptions>(services, gateway.GetSection("Snapshots"));
        services.TryAddSingleton(TimeProvider.System);

        services.AddSingleton<DataDirectory>();
        services.AddSingleton(s => new SqliteDatabase(s.GetRequiredService<DataDirectory>().File("gateway.db")));
        services.AddSingleton<ISandboxStore, SqliteSandboxStore>();
        services.AddSingleton<SqliteApiKeyStore>();
        services.AddSingleton(s => EnvironmentCatalog.Load(s.GetRequiredService<IOptions<ServerOptions>>().Value.EnvironmentsDirectory)
            .With(s.GetRequiredService<IOptions<HostMountOptions>>().Value));
        Bind<HostMountOptions>(services, gateway);
        services.AddSingleton<IValidateOptions<HostMountOptions>, HostMountOptionsValidator>();
        services.AddProvisioners(gateway);
        services.AddOptions<NetworkOptions>().Bind(gateway.GetSection("Network")).ValidateOnStart();
        services.AddSingleton<IValidateOptions<NetworkOptions>, NetworkOptionsValidator>();
        services.AddSingleton(s => new SnapshotCatalog(
            s.GetRequiredService<DataDirectory>().File("snapshots"), s.GetRequiredService<IOptions<SnapshotOptions>>(), s.GetRequiredService<ILogger<SnapshotCatalog>>()));
        services.AddSingleton<SandboxRegistry>();
        services.AddHostedService(s => s.GetRequiredService<SandboxRegistry>());
        services.AddOptions<PackageOptions>().Bind(gateway.GetSection("Packages")).ValidateOnStart();
        services.AddSingleton<IValidateOptions<PackageOptions>, PackageOptionsValidator>();
        services.AddSingleton<PackageInstaller>();
        services.AddOptions<WebhookOptions>().Bind(gateway.GetSection("Webhooks")).ValidateOnStart();
        services.AddSingleton<IValidateOptions<WebhookOptions>, WebhookOptionsValidator>();
        services.AddSingleton<IWebhookStore, SqliteWebhookStore>();
        services.AddSingleton<WebhookDoor>();
        services.AddSingleton<WebhookRegistry>();
        services.AddHostedService(s => s.GetRequiredService<WebhookRegistry>()); // After the sandboxes, whose journals it reads.

        services.AddSingleton<ApiKeys>();
        services.AddSingleton<CallLimits>();
        services.AddHostedService<FirstStart>();
        services.AddHostedService<MemoryReturn>();
        services.AddHostedService<ProgramLoading>();
        services.AddDataProtection().UseEphemeralDataProtectionProvider(); // Nothing here outlives the process; no keys on disk.
        services.AddAuthentication(ApiKeyHandler.Scheme).AddScheme<AuthenticationSchemeOptions, ApiKeyHandler>(ApiKeyHandler.Scheme, null);
        services.AddAuthorization(o => o.AddPolicy(ApiKeyHandler.AdminPolicy, p => p.RequireRole(ApiKeyHandler.AdminRole)));

        services.AddCors();
        services.AddSingleton<IConfigureOptions<CorsOptions>, AllowedOrigins>();

        services.AddProblemDetails(o => o.CustomizeProblemDetails = ProblemWriter.Complete);
        services.AddSingleton<IProblemDetailsWriter, AlwaysProblemWriter>(); // After the framework's own, which knows JSON only.
        services.AddExceptionHandler<ProblemWriter>();
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        services.ConfigureHttpJsonOptions(o => Shape(o.SerializerOptions));
        services.AddOpenApi("v1", o => o.AddDocumentTransformer(OpenApiDescription.Apply));
        services.AddSignalR(o =>
            {
                o.MaximumReceiveMessageSize = 4 << 20;
                o.MaximumParallelInvocationsPerClient = 16;
                o.AddFilter<HubGuard>();
            })
            .AddJsonProtocol(o => Shape(o.PayloadSerializerOptions));
    }

    private static void Shape(JsonSerializerOptions options)
    {
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        options.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow; // A misspelt field must not be lost in silence.
    }

    private static void Bind<T>(IServiceCollection services, IConfigurationSection section)
        where T : class =>
        services.AddOptions<T>().Bind(section).ValidateDataAnnotations().ValidateOnStart();
}
