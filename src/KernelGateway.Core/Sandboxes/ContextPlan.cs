using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Checks what a new context is to be, and chooses its kernel.</summary>
internal static class ContextPlan
{
    private const int MaxFolder = 4000;

    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with every field that is wrong.</exception>
    public static ContextRecord Of(CreateContextRequest request, EnvironmentDefinition environment)
    {
        var errors = new FieldErrors();
        var context = new ContextRecord(
            Guid.NewGuid().ToString("N"),
            errors.Check(() => Kernel(request, environment), ""),
            "",
            errors.Check(() => request.Name is null ? null : CreateSandboxValidator.Name(request.Name), null),
            errors.Check(() => Folder(request.Cwd), null),
            errors.Check(() => CreateSandboxValidator.Variables(request.Env), []));
        errors.ThrowIfAny();
        return context;
    }

    /// <summary>The context that runs of a language go to when they name none: the default one, or one of that language's name.</summary>
    public static ContextRecord OfLanguage(string language, EnvironmentDefinition environment)
    {
        var kernel = KernelOf(language, environment);
        var same = string.Equals(environment.Kernels[kernel].Language, environment.Kernels[environment.DefaultKernel].Language, StringComparison.OrdinalIgnoreCase);
        return same
            ? new ContextRecord(Sandbox.DefaultContext, environment.DefaultKernel, "")
            : new ContextRecord(environment.Kernels[kernel].Language.ToLowerInvariant(), kernel, "");
    }

    private static string Kernel(CreateContextRequest request, EnvironmentDefinition environment)
    {
        if (request is { Kernel: not null, Language: not null })
        {
            throw new GatewayException(ErrorCode.InvalidArgument, "'kernel' and 'language' both choose the kernel: give one of them.", "kernel");
        }

        if (request.Kernel is { } kernel)
        {
            return environment.Kernels.ContainsKey(kernel)
                ? kernel
                : throw new GatewayException(ErrorCode.InvalidArgument, $"The environment '{environment.Name}' has no kernel '{Shown(kernel)}'. Choose one of: {string.Join(", ", environment.Kernels.Keys)}.", "kernel");
        }

        return request.Language is { } language ? KernelOf(language, environment) : environment.DefaultKernel;
    }

    /// <summary>The default kernel where it speaks the language, else the first by name that does.</summary>
    private static string KernelOf(string language, EnvironmentDefinition environment)
    {
        var speaking = environment.Kernels
            .Where(k => string.Equals(k.Value.Language, language, StringComparison.OrdinalIgnoreCase))
            .Select(k => k.Key)
            .Order(StringComparer.Ordinal)
            .ToList();
        return speaking.Contains(environment.DefaultKernel) ? environment.DefaultKernel
            : speaking.Count > 0 ? speaking[0]
            : throw new GatewayException(
                ErrorCode.InvalidArgument,
                $"The environment '{environment.Name}' has no kernel for '{Shown(language)}'. It speaks: {string.Join(", ", environment.Kernels.Values.Select(k => k.Language).Distinct(StringComparer.OrdinalIgnoreCase).Order(StringComparer.Ordinal))}.",
                "language");
    }

    private static string? Folder(string? folder) => folder switch
    {
        null => null,
        { Length: > 0 and <= MaxFolder } when !folder.Contains('\0', StringComparison.Ordinal) => folder,
        _ => throw new GatewayException(ErrorCode.InvalidArgument, $"'cwd' must be a path of 1 to {MaxFolder} characters without NUL; a relative one starts in the workspace.", "cwd"),
    };

    private static string Shown(string text) => text.Length > 64 ? text[..64] + "…" : text;
}
