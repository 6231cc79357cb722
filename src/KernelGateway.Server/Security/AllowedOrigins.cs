using KernelGateway.Server.Configuration;
using Microsoft.AspNetCore.Cors.Infrastructure;
using Microsoft.Extensions.Options;

namespace KernelGateway.Server.Security;

/// <summary>Tells browsers (CORS) what <see cref="Origins"/> lets through: nothing, unless the configuration lists origins.</summary>
internal sealed class AllowedOrigins(IOptions<ServerOptions> options) : IConfigureOptions<CorsOptions>
{
    public void Configure(CorsOptions cors) => cors.AddDefaultPolicy(policy => policy
        .WithOrigins([.. options.Value.AllowedOrigins])
        .AllowAnyHeader()
        .AllowAnyMethod()
        .WithExposedHeaders("Location", "Retry-After"));
}
