using System.Text;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Provisioning;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>What tests launch.</summary>
internal static class TestKernels
{
    internal static readonly IReadOnlyDictionary<string, string> NoVariables = new Dictionary<string, string>();

    internal static readonly ResourceLimits Limits = new(2.0, 512L << 20, 128);

    /// <summary>A real ipykernel (<c>python3</c>) and, for what needs no Python session, a shell script (<c>script</c>, given in SCRIPT).</summary>
    internal static EnvironmentDefinition Environment { get; } = new()
    {
        Name = "test-env",
        Title = "For tests",
        Language = "python",
        DefaultKernel = "python3",
        Variables = new Dictionary<string, string> { ["FROM_ENVIRONMENT"] = "env", ["OVERRIDDEN"] = "env" },
        Kernels = new Dictionary<string, EnvironmentKernel>
        {
            ["python3"] = new()
            {
                Argv = ["/usr/bin/python3.11", "-I", "{launcher}/kernel.py", "-f", "{connection_file}"],
                DisplayName = "Python 3",
                Language = "python",
                KeepsLog = true,
            },
            ["script"] = new() { Argv = ["/bin/sh", "-c", "eval \"$SCRIPT\""], DisplayName = "Script", Language = "sh" },
            ["missing"] = new() { Argv = ["/usr/bin/no-such-kernel"], DisplayName = "Missing", Language = "none" },
        },
    };

    internal static HostSpec Spec(string sandboxId, IReadOnlyDictionary<string, string>? variables = null, ResourceLimits? limits = null) =>
        new(sandboxId, Environment, limits ?? Limits, variables ?? NoVariables);

    internal static KernelLaunch Python(string id, string? folder = null, IReadOnlyDictionary<string, string>? variables = null) =>
        new(id, "python3", folder, variables ?? NoVariables);

    internal static KernelLaunch Script(string id, string script) =>
        new(id, "script", null, new Dictionary<string, string> { ["SCRIPT"] = script });
}

/// <summary>A kernel with a client that is ready.</summary>
internal sealed class RunningKernel : IAsyncDisposable
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);

    private readonly IHostedKernel? _kernel;

    private RunningKernel(IHostedKernel? kernel, KernelClient client)
    {
        _kernel = kernel;
        Client = client;
    }

    internal IHostedKernel Kernel => _kernel ?? throw new InvalidOperationException("This kernel is no place's.");

    internal KernelClient Client { get; }

    internal static async Task<RunningKernel> LaunchAsync(IKernelHost host, KernelLaunch launch, CancellationToken cancellationToken) =>
        await ConnectAsync(await host.LaunchKernelAsync(launch, cancellationToken), cancellationToken);

    internal static async Task<RunningKernel> ConnectAsync(IHostedKernel kernel, CancellationToken cancellationToken)
    {
        var client = await kernel.ConnectAsync(new KernelClientOptions(), cancellationToken);
        await client.WaitForReadyAsync(ReadyWithin, cancellationToken);
        return new RunningKernel(kernel, client);
    }

    /// <summary>A kernel that is no place's.</summary>
    internal static RunningKernel Of(KernelClient client) => new(null, client);

    /// <summary>Runs code; its standard output, and for an error "ERROR name: value" behind it.</summary>
    internal async Task<string> RunAsync(string code, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (text, status) = await TryRunAsync(code, cancellationToken);
            if (status != "aborted")
            {
                return text;
            }

            // For a moment after an error ipykernel aborts whatever arrives.
        }
    }

    private async Task<(string Text, string? Status)> TryRunAsync(string code, CancellationToken cancellationToken)
    {
        using var execution = await Client.ExecuteAsync(new ExecuteRequest(code), cancellationToken);
        var text = new StringBuilder();
        await foreach (var message in execution.Outputs(cancellationToken))
        {
            if (message.MsgType == MessageTypes.Stream)
            {
                text.Append((string?)message.Content["text"]);
            }
            else if (message.MsgType == MessageTypes.Error)
            {
                text.Append($"ERROR {(string?)message.Content["ename"]}: {(string?)message.Content["evalue"]}");
            }
        }

        var reply = await execution.Reply.WaitAsync(cancellationToken);
        return (text.ToString().Trim(), (string?)reply.Content["status"]);
    }

    /// <summary>Starts code that says "started" and returns once it has.</summary>
    internal async Task<KernelExecution> StartAsync(string code, CancellationToken cancellationToken)
    {
        var execution = await Client.ExecuteAsync(new ExecuteRequest("print('started', flush=True)\n" + code), cancellationToken);
        await foreach (var message in execution.Outputs(cancellationToken))
        {
            if (message.MsgType == MessageTypes.Stream)
            {
                break;
            }
        }

        return execution;
    }

    public ValueTask DisposeAsync() => Client.DisposeAsync();
}
