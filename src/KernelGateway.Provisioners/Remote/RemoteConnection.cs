using System.Text.Json;
using System.Text.Json.Nodes;
using KernelGateway.Core.Errors;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Provisioners.Remote;

/// <summary>One utility kernel for as long as it answers. What it has opened for us ends with it.</summary>
internal sealed class RemoteConnection : IAsyncDisposable
{
    private const int MaxAborted = 50;
    private const string Expression = "r";
    private readonly KernelClient _client;
    private readonly RemotePlace _place;
    private readonly RemoteSources _sources;
    private readonly TimeProvider _time;
    private readonly IDisposable _listening;
    private readonly string _commId = Guid.NewGuid().ToString("N");
    private volatile bool _broken;

    internal RemoteConnection(KernelClient client, RemotePlace place, RemoteSources sources, TimeProvider time, Action<string> ring)
    {
        _client = client;
        _place = place;
        _sources = sources;
        _time = time;
        _listening = client.ListenToComm(_commId, data => ring(data["topic"] is JValue { Value: string topic } ? topic : ""));
    }

    /// <summary>Whether it has failed to answer; another one is to be asked for.</summary>
    internal bool IsBroken => _broken;

    /// <summary>Makes the kernel ready for calls, whatever it knew before.</summary>
    internal async Task OpenAsync(CancellationToken cancellationToken)
    {
        var hello = new JsonObject
        {
            ["op"] = "hello",
            ["comm"] = _commId,
            ["root"] = _place.Root,
            ["place"] = new JsonObject { ["name"] = _place.Name, ["idle"] = _place.AgentIdle.TotalSeconds, ["sources"] = _sources.Agent.DeepClone() },
        };
        var answer = await TryCallAsync(hello, cancellationToken);
        if (answer is null)
        {
            await EvaluateAsync(_sources.Install, cancellationToken);
            answer = await TryCallAsync(hello, cancellationToken) ?? throw Failed("The code for files and commands did not stay in the kernel.");
        }

        if (!answer.Value.Field("ok").Field("linux").Flag())
        {
            throw new GatewayException(ErrorCode.NotSupported, "Files and commands need a Jupyter server on Linux; this one is on another system. Code can still be run there.");
        }
    }

    /// <summary>One call; its answer as it is.</summary>
    internal async Task<JsonElement> CallAsync(JsonObject request, CancellationToken cancellationToken) =>
        await TryCallAsync(request, cancellationToken) ?? throw Break("has been started anew");

    public async ValueTask DisposeAsync()
    {
        _broken = true;
        _listening.Dispose();
        await _client.DisposeAsync();
    }

    /// <summary>Null when the kernel does not know our code.</summary>
    private async Task<JsonElement?> TryCallAsync(JsonObject request, CancellationToken cancellationToken)
    {
        var value = await EvaluateAsync(_sources.Call(request), cancellationToken);
        if ((string?)value["status"] == "error")
        {
            return value["ename"] is JValue { Value: "KeyError" } ? null : throw Failed($"{value["ename"]}: {value["evalue"]}");
        }

        try
        {
            using var document = JsonDocument.Parse((value["data"] as JObject)?["text/plain"] is JValue { Value: string text } ? text : "");
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            throw RemoteAnswer.Malformed();
        }
    }

    /// <summary>Evaluates an expression: the reply has the value, so that nothing is published and nothing can be lost on the way.</summary>
    private async Task<JObject> EvaluateAsync(string expression, CancellationToken cancellationToken)
    {
        var content = new ExecuteRequest("", Silent: true, StoreHistory: false, StopOnError: false)
        {
            UserExpressions = new Dictionary<string, string> { [Expression] = expression },
        }.ToJson();
        using var deadline = new CancellationTokenSource(_place.AnswerDeadline, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        for (var aborted = 0; ; aborted++)
        {
            JObject reply;
            try
            {
                reply = (await _client.RequestAsync(KernelChannel.Shell, _client.CreateRequest(MessageTypes.ExecuteRequest, content), both.Token)).Content;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw Break($"did not answer within {_place.AnswerDeadline.TotalSeconds:0.#} seconds");
            }
            catch (KernelException e)
            {
                throw Break("has ended or cannot be reached: " + e.Message);
            }

            // Others can make it abort what waits, by an error of theirs.
            if (reply["status"] is JValue { Value: "aborted" } && aborted < MaxAborted)
            {
                continue;
            }

            return (reply["user_expressions"] as JObject)?[Expression] as JObject ?? throw Failed("It is no Python kernel of IPython.");
        }
    }

    /// <summary>As after a time-out: what was asked for may have been done all the same.</summary>
    private GatewayException Break(string how)
    {
        _broken = true;
        return new(ErrorCode.KernelFailed, $"The kernel through which files and commands of this sandbox are reached {how}. Another one is asked for with the next call.", inner: new TimeoutException());
    }

    private static GatewayException Failed(string why) =>
        new(ErrorCode.KernelFailed, Native.TextTail.Clean($"The kernel through which files and commands of this sandbox are reached cannot serve them: {why}"));
}
