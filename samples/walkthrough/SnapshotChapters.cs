using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;

namespace Walkthrough;

/// <summary>Keeping what a sandbox has, and standing still.</summary>
internal static class SnapshotChapters
{
    public static async Task TellAsync(KernelGatewayClient client, Sandbox sandbox, string name)
    {
        Say.Chapter("Snapshots");
        await sandbox.RunCodeAsync("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})\nrest = (n for n in range(3))");
        var snapshot = await sandbox.CreateSnapshotAsync(name, "A table and a file");
        try
        {
            var manifest = await Sandbox.GetSnapshotManifestAsync(snapshot.Id, client);
            Say.Line($"Kept: df {manifest.Contexts[0].Variables.Any(variable => variable.Name == "df")}, /data/test.txt {manifest.Files.Any(file => file.Path == "/data/test.txt")}");
            Say.Line($"Not kept: {string.Join(", ", manifest.Contexts[0].NotKept.Select(left => $"{left.Name} ({left.Type})"))}");

            await using (var restored = await Sandbox.CreateAsync(client, new CreateSandboxRequest { SnapshotName = name }))
            {
                Say.Line($"In a new sandbox df has {(await restored.RunCodeAsync("len(df)")).Text} rows, and the file says {await restored.Files.ReadTextAsync("/data/test.txt")}.");
            }

            await sandbox.RunCodeAsync("added = 1");
            var second = await sandbox.CreateSnapshotAsync($"{name}-2");
            var differences = await Sandbox.CompareSnapshotsAsync(snapshot.Id, second.Id, client);
            Say.Line($"Since then: {string.Join(", ", differences.Contexts[0].Variables.Added)} was added.");
            await Sandbox.DeleteSnapshotAsync(second.Id, client);
            await Say.RefusedAsync("A second one of the same name", () => sandbox.CreateSnapshotAsync(name));
        }
        finally
        {
            await Sandbox.DeleteSnapshotAsync(snapshot.Id, client);
        }

        Say.Chapter("Forks");
        foreach (var fork in await sandbox.ForkAsync(2))
        {
            await using var child = fork.Sandbox!;
            Say.Line($"A child goes on where its parent was: the counter is {(await child.RunCodeAsync("counter")).Text}.");
        }

        Say.Chapter("Pausing");
        await sandbox.PauseAsync();
        Say.Line($"It is {sandbox.Info.State}.");
        await Say.RefusedAsync("Running code in it", () => sandbox.RunCodeAsync("counter"));
        await sandbox.PauseAsync(autoResume: true);
        Say.Line($"With automatic resume the counter is {(await sandbox.RunCodeAsync("counter")).Text}, and it is {(await sandbox.RefreshAsync()).State}.");

        Say.Chapter("Packages");
        await Say.RefusedAsync("A package that nobody allowed", () => sandbox.InstallPackagesAsync(["requests"]));
    }
}
