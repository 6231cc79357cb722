using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Kernels;
using KernelGateway.Jupyter;
using KernelGateway.Jupyter.Messaging;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Its variables, and help with code. History, <c>Out</c> and the counter stay as they are.</summary>
public sealed partial class Sandbox
{
    private const int MaxVariablesListed = 1000;
    private const int MaxVariablesSet = 1000;

    /// <summary>The variables of a context, by name.</summary>
    /// <exception cref="GatewayException"><see cref="ErrorCode.Conflict"/>: its kernel is busy or dead. <see cref="ErrorCode.NotSupported"/>: it is not one of our launcher.</exception>
    public async Task<VariableList> ListVariablesAsync(string? contextId, bool wait, CancellationToken cancellationToken) =>
        Read<VariableList>(await AskVariablesAsync(contextId, wait, new JObject { ["list"] = new JObject { ["limit"] = MaxVariablesListed } }, cancellationToken));

    /// <summary>The value of one variable.</summary>
    /// <exception cref="GatewayException">Also <see cref="ErrorCode.VariableNotFound"/>, and <see cref="ErrorCode.TooLarge"/>.</exception>
    public async Task<VariableValue> GetVariableAsync(string name, string? contextId, bool wait, CancellationToken cancellationToken)
    {
        CheckVariable(name);
        return Read<VariableValue>(await AskVariablesAsync(
            contextId, wait, new JObject { ["get"] = new JObject { ["name"] = name, ["max"] = _options.MaxResultBytes } }, cancellationToken));
    }

    /// <summary>Sets variables to JSON values, all of them or none.</summary>
    public async Task SetVariablesAsync(IReadOnlyDictionary<string, JsonElement> values, string? contextId, bool wait, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count is 0 or > MaxVariablesSet)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"The body must hold 1 to {MaxVariablesSet} variables by name, but holds {values.Count}.");
        }

        var content = new JObject();
        long bytes = 0;
        foreach (var (name, value) in values)
        {
            CheckVariable(name);
            var json = value.GetRawText();
            bytes += Encoding.UTF8.GetByteCount(json);
            content[name] = new JRaw(json);
        }

        if (bytes > _options.MaxResultBytes)
        {
            throw new GatewayException(ErrorCode.TooLarge, $"The values may have at most {_options.MaxResultBytes} bytes of JSON together, but have {bytes}. Write them to a file.");
        }

        await AskVariablesAsync(contextId, wait, new JObject { ["set"] = content }, cancellationToken);
    }

    /// <summary>What could stand at a place in code.</summary>
    public async Task<CompleteResult> CompleteAsync(CompleteRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var cursor = Cursor(request.Code, request.Cursor);
        var reply = await AskAsync(request.ContextId, "complete code", true, (client, ct) => client.CompleteAsync(request.Code, cursor, ct), cancellationToken);
        return new CompleteResult(
            [.. (reply["matches"] as JArray ?? []).OfType<JValue>().Where(m => m.Type == JTokenType.String).Take(MaxVariablesListed).Select(m => (string)m!)],
            Place(reply["cursor_start"], cursor),
            Place(reply["cursor_end"], cursor));
    }

    /// <summary>What a name in code is.</summary>
    public async Task<InspectResult> InspectAsync(InspectRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var cursor = Cursor(request.Code, request.Cursor);
        if (request.Detail is < 0 or > 1)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'detail' must be 0 or 1, but is {request.Detail}.", "detail");
        }

        var reply = await AskAsync(request.ContextId, "inspect code", true, (client, ct) => client.InspectAsync(request.Code, cursor, request.Detail, ct), cancellationToken);
        return new InspectResult(
            reply["found"] is JValue { Value: true },
            reply["data"] is JObject data ? JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(data.ToString(Newtonsoft.Json.Formatting.None))! : []);
    }

    private async Task<JObject> AskVariablesAsync(string? contextId, bool wait, JObject content, CancellationToken cancellationToken)
    {
        await AwakeAsync(cancellationToken);
        var session = Session(contextId);
        return session.TellsVariables
            ? await AskAsync(session, token => session.AskVariablesAsync(wait, content, token), cancellationToken)
            : throw new GatewayException(ErrorCode.NotSupported, $"The kernel '{session.Info.Kernel}' has no such access to its variables. Run code that prints or sets them.", "contextId");
    }

    private async Task<JObject> AskAsync(string? contextId, string what, bool wait, Func<KernelClient, CancellationToken, Task<JupyterMessage>> ask, CancellationToken cancellationToken)
    {
        await AwakeAsync(cancellationToken);
        var session = Session(contextId);
        return await AskAsync(session, token => session.AskAsync(what, wait, ask, token), cancellationToken);
    }

    private async Task<JObject> AskAsync(KernelSession session, Func<CancellationToken, Task<JObject>> ask, CancellationToken cancellationToken)
    {
        _clock.Use();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ending.Token);
        JObject reply;
        try
        {
            reply = await ask(either.Token);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            throw EndedMeanwhile();
        }
        catch (KernelErrorException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, e.Message, inner: e);
        }

        return (string?)(reply["status"] as JValue) == "ok" ? reply : throw Refused((string?)(reply["ename"] as JValue), (string?)(reply["evalue"] as JValue) ?? "");
    }

    /// <summary>What went wrong in the kernel, in words that its own code may have chosen.</summary>
    private static GatewayException Refused(string? name, string value) => name switch
    {
        "NameError" => new(ErrorCode.VariableNotFound, "The context has no variable of that name.", "name"),
        "ValueError" => new(ErrorCode.InvalidArgument, $"The kernel refused it: {Shorten(value)}.", "name"),
        "OverflowError" => new(ErrorCode.TooLarge, $"The value is too large: {Shorten(value)}. Write it to a file.", "name"),
        _ => new(ErrorCode.KernelFailed, $"The kernel answered with an error: {Shorten(name ?? "")}: {Shorten(value)}"),
    };

    private static string Shorten(string text) => text.Length > 300 ? text[..300] + "…" : text;

    private static T Read<T>(JObject reply)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(reply.ToString(Newtonsoft.Json.Formatting.None), JsonSerializerOptions.Web) ?? throw new JsonException("It is empty.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"What the kernel answered cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>A place in code, in Unicode code points.</summary>
    private int Cursor(string? code, int? cursor)
    {
        if (code is null || Encoding.UTF8.GetByteCount(code) > _options.MaxCodeBytes)
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'code' must be a text of at most {_options.MaxCodeBytes} bytes.", "code");
        }

        var end = code.EnumerateRunes().Count();
        return cursor is null ? end
            : cursor >= 0 && cursor <= end ? cursor.Value
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'cursor' must be between 0 and {end}, the code's length in Unicode code points, but is {cursor}.", "cursor");
    }

    private static int Place(JToken? token, int otherwise) => token is JValue { Value: long and >= 0 and <= int.MaxValue } value ? (int)value : otherwise;

    private static void CheckVariable(string name)
    {
        if (name.Length > 256 || !VariableName().IsMatch(name))
        {
            throw new GatewayException(ErrorCode.InvalidArgument, $"'{Shorten(name)}' is not a name that a variable can have: letters, digits and underscores, not beginning with a digit, at most 256.", "name");
        }
    }

    [GeneratedRegex(@"^[\p{L}_][\p{L}\p{Nd}\p{Mn}_]*\z")]
    private static partial Regex VariableName();
}
