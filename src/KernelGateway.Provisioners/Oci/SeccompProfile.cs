using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.Oci;

/// <summary>The system-call filter of sandboxes: data, read from <c>seccomp-tight.jsonc</c> in this assembly.</summary>
internal static class SeccompProfile
{
    private static readonly JsonDocumentOptions WithComments = new() { CommentHandling = JsonCommentHandling.Skip };

    /// <summary>A new copy of the profile for this machine's native architecture, as <c>linux.seccomp</c> of an OCI configuration.</summary>
    /// <exception cref="PlatformNotSupportedException">The profile was not made for this architecture.</exception>
    internal static JsonObject Load() => Load(RuntimeInformation.OSArchitecture);

    internal static JsonObject Load(Architecture architecture)
    {
        using var stream = typeof(SeccompProfile).Assembly.GetManifestResourceStream("seccomp-tight.jsonc")
            ?? throw new InvalidOperationException("The system-call profile is missing from the assembly.");
        var profile = JsonNode.Parse(stream, documentOptions: WithComments)!.AsObject();
        profile["architectures"] = new JsonArray(architecture switch
        {
            Architecture.X64 => "SCMP_ARCH_X86_64",
            Architecture.Arm64 => "SCMP_ARCH_AARCH64",
            _ => throw new PlatformNotSupportedException($"There is no system-call profile for {architecture}."),
        });
        return profile;
    }
}
