using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace KernelGateway.Provisioners.Containers;

/// <summary>The system-call filter of sandboxes: data, read from <c>seccomp-tight.jsonc</c> in this assembly.</summary>
internal static class SeccompProfile
{
    private const string Allow = "SCMP_ACT_ALLOW";
    private const string Refuse = "SCMP_ACT_ERRNO";
    private const int NoSuchCall = 38;

    /// <summary>S_ISUID and S_ISGID.</summary>
    private const long SetIdBits = 0xC00;

    /// <summary>O_CREAT, and the part of O_TMPFILE that is its alone.</summary>
    private const long CreatingFlags = 0x40 | 0x40_0000;

    /// <summary>Where the calls that give a file its mode have it, and their flags when they may also not make one.</summary>
    private static readonly Dictionary<string, (int Mode, int? Flags)> ModeArguments = new()
    {
        ["chmod"] = (1, null),
        ["fchmod"] = (1, null),
        ["fchmodat"] = (2, null),
        ["fchmodat2"] = (2, null),
        ["creat"] = (1, null),
        ["open"] = (2, 1),
        ["openat"] = (3, 2),
    };

    private static readonly JsonDocumentOptions WithComments = new() { CommentHandling = JsonCommentHandling.Skip };

    /// <summary>A new copy of the profile for this machine's native architecture, as <c>linux.seccomp</c> of an OCI configuration.</summary>
    /// <exception cref="PlatformNotSupportedException">The profile was not made for this architecture.</exception>
    internal static JsonObject Load() => Load(RuntimeInformation.OSArchitecture);

    /// <summary>The same without any way to set set-id bits: they mean nothing inside, but would on the host, on files of its users.</summary>
    internal static JsonObject LoadWithoutSetId()
    {
        var profile = Load();
        var rules = profile["syscalls"]!.AsArray();
        var names = rules.Select(rule => rule!["names"]!.AsArray()).First(candidates => candidates.Count > 100);
        foreach (var name in names.Where(name => ModeArguments.ContainsKey((string)name!) || (string)name! == "openat2").ToList())
        {
            names.Remove(name);
        }

        // Its mode lies in memory, where no filter can look; libraries fall back to openat.
        rules.Add(Rule(Refuse, "openat2"));
        rules[^1]!["errnoRet"] = NoSuchCall;
        foreach (var (name, (mode, flags)) in ModeArguments)
        {
            rules.Add(Rule(Allow, name, Masked(mode, SetIdBits)));
            if (flags is { } index)
            {
                // Without making a file the mode is whatever lies in the register.
                rules.Add(Rule(Allow, name, Masked(index, CreatingFlags)));
            }
        }

        foreach (var argument in rules.Where(rule => (string)rule!["names"]![0]! is "mknod" or "mknodat").Select(rule => rule!["args"]![0]!))
        {
            argument["value"] = (long)argument["value"]! | SetIdBits;
        }

        return profile;
    }

    private static JsonObject Rule(string action, string name, params JsonNode[] arguments) =>
        new() { ["action"] = action, ["names"] = new JsonArray(name), ["args"] = arguments.Length == 0 ? null : new JsonArray(arguments) };

    private static JsonObject Masked(int index, long bits) => new() { ["index"] = index, ["value"] = bits, ["valueTwo"] = 0, ["op"] = "SCMP_CMP_MASKED_EQ" };

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
