using System.Text;
using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter.Tests.Support;

/// <summary>What a run said and how it ended.</summary>
public sealed record Run(IReadOnlyList<JupyterMessage> Outputs, JupyterMessage Reply)
{
    public string Status => (string?)Reply.Content["status"] ?? "";

    public IEnumerable<string> Types => Outputs.Select(o => o.MsgType);

    public JupyterMessage The(string type) => Outputs.Single(o => o.MsgType == type);

    public string Text(string stream = "stdout")
    {
        var text = new StringBuilder();
        foreach (var output in Outputs.Where(o => o.MsgType == MessageTypes.Stream && (string?)o.Content["name"] == stream))
        {
            text.Append((string?)output.Content["text"]);
        }

        return text.ToString();
    }
}

public static class KernelRuns
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static Task<Run> RunAsync(this KernelClient client, string code) => client.RunAsync(new ExecuteRequest(code));

    public static async Task<Run> RunAsync(this KernelClient client, ExecuteRequest request)
    {
        using var deadline = new CancellationTokenSource(Patience, TimeProvider.System);
        using var execution = await client.ExecuteAsync(request, deadline.Token);
        var outputs = new List<JupyterMessage>();
        try
        {
            await foreach (var output in execution.Outputs(deadline.Token))
            {
                outputs.Add(output);
            }

            return new Run(outputs, await execution.Completion.WaitAsync(deadline.Token));
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException(
                $"The run did not end. Outputs: {string.Join(", ", outputs.Select(o => o.MsgType))}; reply: {execution.Reply.Status}.");
        }
    }

    /// <summary>Waits until a run has said something on stdout; the messages before it are dropped.</summary>
    public static async Task UntilPrintedAsync(this IAsyncEnumerator<JupyterMessage> outputs, string text)
    {
        while (await outputs.MoveNextAsync())
        {
            if (outputs.Current.MsgType == MessageTypes.Stream && ((string?)outputs.Current.Content["text"])!.Contains(text, StringComparison.Ordinal))
            {
                return;
            }
        }

        Assert.Fail($"The run ended without having printed \"{text}\".");
    }

    /// <summary>Fails, with a name, what does not end.</summary>
    public static async Task<T> InTimeAsync<T>(this Task<T> task, string what)
    {
        try
        {
            return await task.WaitAsync(Patience, TimeProvider.System);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{what} did not happen within {Patience.TotalSeconds} s.");
        }
    }

    public static async Task InTimeAsync(this Task task, string what) => await task.ContinueWith(
        static done => done.IsFaulted ? throw done.Exception!.InnerException! : !done.IsCanceled,
        CancellationToken.None,
        TaskContinuationOptions.ExecuteSynchronously,
        TaskScheduler.Default).InTimeAsync(what);
}
