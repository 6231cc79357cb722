using KernelGateway.Client;

namespace Walkthrough;

/// <summary>Contexts and what is in them.</summary>
internal static class KernelChapters
{
    public static async Task TellAsync(Sandbox sandbox)
    {
        Say.Chapter("Contexts: kernels with namespaces of their own");
        var other = await sandbox.CreateContextAsync(new() { Name = "other", Env = new Dictionary<string, string> { ["MODE"] = "test" } });
        await sandbox.RunCodeAsync("x = 'in the other context'", new() { ContextId = other.Id });
        Say.Line($"x is {(await sandbox.RunCodeAsync("x", new() { ContextId = other.Id })).Text} there and {(await sandbox.RunCodeAsync("x")).Text} in the default one.");
        Say.Line($"There are {(await sandbox.ListContextsAsync()).Count} contexts.");
        await sandbox.RestartAsync(other.Id);
        Say.Line($"After a restart x is there: {(await sandbox.RunCodeAsync("'x' in dir()", new() { ContextId = other.Id })).Text}");
        await sandbox.RemoveContextAsync(other.Id);
        await Say.RefusedAsync("Running in a context that was removed", () => sandbox.RunCodeAsync("1", new() { ContextId = other.Id }));

        Say.Chapter("Variables");
        List<int> values = [1, 2, 3];
        await sandbox.SetVariableAsync("rows", values);
        Say.Line($"Their sum is {(await sandbox.RunCodeAsync("sum(rows)")).Text}; read back: {string.Join(", ", (await sandbox.GetVariableAsync<int[]>("rows"))!)}");
        var rows = (await sandbox.ListVariablesAsync()).Single(variable => variable.Name == "rows");
        Say.Line($"{rows.Name} is a {rows.Type} of length {rows.Length}.");
        await Say.RefusedAsync("A variable that is not there", () => sandbox.GetVariableAsync<int>("nothing"));

        Say.Chapter("Help with code");
        var completion = await sandbox.CompleteAsync("rows.ext");
        Say.Line($"rows.ext may become {string.Join(", ", completion.Matches)}.");
        Say.Line($"The kernel knows len: {(await sandbox.InspectAsync("len")).Found}");
    }
}
