// All that the SDK can do, chapter by chapter, against a running gateway (samples/quickstart.sh starts one):
//   KERNEL_GATEWAY_URL=http://127.0.0.1:8080 KERNEL_GATEWAY_API_KEY=… dotnet run --project samples/walkthrough
// What it prints is the same every time; expected-output.txt beside this file has it.
using KernelGateway.Client;
using KernelGateway.Contracts.Sandboxes;
using Walkthrough;

try
{
    await using var client = new KernelGatewayClient(); // KERNEL_GATEWAY_URL and KERNEL_GATEWAY_API_KEY
    var name = $"walkthrough-{Guid.NewGuid():N}"[..20];
    await using var sandbox = await Sandbox.CreateAsync(client, new CreateSandboxRequest
    {
        Name = name,
        Environment = "python-scientific",
        TimeoutSeconds = 60,
        IdleTimeoutSeconds = 600,
        Cpu = 1,
        MemoryMb = 1024,
        Env = new Dictionary<string, string> { ["GREETING"] = "hello" },
        Tags = new Dictionary<string, string> { ["walk"] = name },
    });
    Say.Line($"A sandbox of the environment {sandbox.Info.Environment} is {sandbox.Info.State}.");
    await CodeChapters.TellAsync(sandbox);
    await KernelChapters.TellAsync(sandbox);
    await FileChapters.TellAsync(sandbox);
    await CommandChapters.TellAsync(sandbox);
    await SnapshotChapters.TellAsync(client, sandbox, name);
    await LifeChapters.TellAsync(client, sandbox, name);
    return 0;
}
catch (Exception e) when (e is KernelGatewayException or ArgumentException)
{
    await Console.Error.WriteLineAsync($"walkthrough: {e.Message}");
    return 2;
}
