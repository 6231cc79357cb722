using KernelGateway.Contracts.Snapshots;

namespace KernelGateway.Core.Snapshots;

/// <summary>Says what one snapshot has otherwise than another, by their manifests.</summary>
public static class SnapshotComparer
{
    /// <summary>What came, went and changed on the way from the first to the second.</summary>
    public static SnapshotComparison Compare(SnapshotManifest first, SnapshotManifest second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        var contexts = first.Contexts.Concat(second.Contexts).Select(c => c.Id).Distinct(StringComparer.Ordinal);
        return new SnapshotComparison(
            Between(first.Files, second.Files, f => f.Path, (a, b) => a.Type == b.Type && a.Sha256 == b.Sha256 && a.Target == b.Target && a.Mode == b.Mode),
            [.. contexts.Select(id => new ContextDifferences(id, Between(VariablesOf(first, id), VariablesOf(second, id), v => v.Name, (a, b) => a.Type == b.Type && a.Digest == b.Digest)))]);
    }

    private static IReadOnlyList<SnapshotVariable> VariablesOf(SnapshotManifest manifest, string context) =>
        manifest.Contexts.FirstOrDefault(c => c.Id == context)?.Variables ?? [];

    private static Differences Between<T>(IReadOnlyList<T> first, IReadOnlyList<T> second, Func<T, string> name, Func<T, T, bool> same)
    {
        var before = first.ToDictionary(name, StringComparer.Ordinal);
        var after = second.ToDictionary(name, StringComparer.Ordinal);
        return new Differences(
            Sorted(after.Keys.Where(key => !before.ContainsKey(key))),
            Sorted(before.Keys.Where(key => !after.ContainsKey(key))),
            Sorted(after.Where(entry => before.TryGetValue(entry.Key, out var was) && !same(was, entry.Value)).Select(entry => entry.Key)));
    }

    private static List<string> Sorted(IEnumerable<string> names) => [.. names.Order(StringComparer.Ordinal)];
}
