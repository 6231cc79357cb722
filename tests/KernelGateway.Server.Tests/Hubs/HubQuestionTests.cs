using System.Text.Json;
using KernelGateway.Server.Tests.Support;

namespace KernelGateway.Server.Tests.Hubs;

/// <summary>Variables and help with code over the hub.</summary>
[CancelAfter(60_000)]
public sealed class HubQuestionTests
{
    private static LiveGateway Gateway => SharedGateway.Instance;

    [Test]
    public async Task Variables_are_set_read_and_listed_and_code_is_completed_and_inspected()
    {
        var sandbox = await Gateway.CreateAsync();
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        (await hub.InvokeAsync("SetVariables", sandbox.Id, new { x = new[] { 1, 2 }, name = "é" }, null, true)).TryGetProperty("error", out _).Should().BeFalse();
        (await AskAsync("GetVariable", "x", null, true)).GetProperty("json").GetRawText().Should().Be("[1,2]");
        (await AskAsync("ListVariables", null, true)).GetProperty("variables").EnumerateArray().Select(v => v.GetProperty("name").GetString()).Should().BeEquivalentTo("x", "name");
        (await AskAsync("Complete", new { code = "import json; json.du" })).GetProperty("matches").EnumerateArray().Select(m => m.GetString()).Should().Contain(m => m!.EndsWith("dumps", StringComparison.Ordinal));
        (await AskAsync("Inspect", new { code = "len" })).GetProperty("found").GetBoolean().Should().BeTrue();

        async Task<JsonElement> AskAsync(string method, params object?[] arguments)
        {
            var answer = await hub.InvokeAsync(method, [sandbox.Id, .. arguments]);
            return answer.TryGetProperty("result", out var result) ? result : throw new AssertionException($"{method}: {answer.GetRawText()}");
        }
    }

    [TestCase("GetVariable", "variable_not_found")]
    [TestCase("SetVariables", "invalid_argument")]
    [TestCase("ListVariables", "context_not_found")]
    [TestCase("Complete", "invalid_argument")]
    [TestCase("Inspect", "invalid_argument")]
    [TestCase("PauseSandbox", "sandbox_not_found")]
    [TestCase("ResumeSandbox", "sandbox_not_found")]
    [TestCase("InstallPackages", "forbidden")]
    public async Task Wrong_questions_say_what_is_wrong(string method, string code)
    {
        s_sandbox ??= (await Gateway.CreateAsync()).Id;
        await using var hub = await RawHub.ConnectAsync(Gateway.Address, Gateway.Key);

        var answer = method switch
        {
            "GetVariable" => await hub.InvokeAsync(method, s_sandbox, "missing", null, true),
            "SetVariables" => await hub.InvokeAsync(method, s_sandbox, null, null, true),
            "ListVariables" => await hub.InvokeAsync(method, s_sandbox, "none", true),
            "Complete" => await hub.InvokeAsync(method, s_sandbox, new { code = "x", cursor = -1 }),
            "Inspect" => await hub.InvokeAsync(method, s_sandbox, new { code = "x", detail = 7 }),
            "PauseSandbox" => await hub.InvokeAsync(method, "none", null),
            "ResumeSandbox" => await hub.InvokeAsync(method, "none"),
            _ => await hub.InvokeAsync(method, s_sandbox, new { packages = new[] { "anything" } }),
        };

        answer.GetProperty("error").GetString().Should().Contain($"{code}: ");
    }

    private static string? s_sandbox;
}
