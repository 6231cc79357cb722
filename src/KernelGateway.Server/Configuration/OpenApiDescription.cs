using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace KernelGateway.Server.Configuration;

/// <summary>What the generated document cannot know: the title and how to authenticate.</summary>
internal static class OpenApiDescription
{
    public static Task Apply(OpenApiDocument document, OpenApiDocumentTransformerContext context, CancellationToken cancellationToken)
    {
        document.Info.Title = "KernelGateway";
        document.Info.Version = "v1";
        document.Info.Description = "Keeps Jupyter kernels alive in sandboxes and streams what they say.";
        document.Components ??= new OpenApiComponents();
        document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>();
        document.Components.SecuritySchemes["ApiKey"] = new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer" };
        document.Security = [new OpenApiSecurityRequirement { [new OpenApiSecuritySchemeReference("ApiKey", document)] = [] }];
        return Task.CompletedTask;
    }
}
