using System.Security.Cryptography;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Makes names for people: <c>colour-word-hex4</c>.</summary>
internal static class SandboxName
{
    private static readonly string[] Colours =
        ["amber", "azure", "coral", "crimson", "golden", "green", "indigo", "ivory", "lilac", "olive", "pearl", "scarlet", "silver", "teal", "violet", "white"];

    private static readonly string[] Words =
        ["badger", "birch", "brook", "cedar", "comet", "dune", "falcon", "fern", "harbor", "heron", "lark", "maple", "meadow", "otter", "pine", "reef"];

    public static string Generate() =>
        $"{Pick(Colours)}-{Pick(Words)}-{RandomNumberGenerator.GetHexString(4, lowercase: true)}";

    private static string Pick(string[] from) => from[RandomNumberGenerator.GetInt32(from.Length)];
}
