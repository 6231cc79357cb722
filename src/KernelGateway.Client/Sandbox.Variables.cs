using System.Text.Json;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Sandboxes;

namespace KernelGateway.Client;

/// <summary>Its variables, and help with code. A question waits for its turn behind what runs, for a time that the gateway sets.</summary>
public sealed partial class Sandbox
{
    /// <summary>Gets the value of a variable that JSON can hold.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">
    /// <see cref="ErrorCodes.VariableNotFound"/>: there is none. <see cref="ErrorCodes.NotSupported"/>: JSON cannot hold it, or not as a
    /// <typeparamref name="T"/>; <see cref="ShowVariableAsync"/> gives what can be shown. <see cref="ErrorCodes.Conflict"/>: the kernel is busy or dead.
    /// </exception>
    public async Task<T?> GetVariableAsync<T>(string name, string? contextId = null, CancellationToken cancellationToken = default)
    {
        var value = await ShowVariableAsync(name, contextId, cancellationToken);
        try
        {
            return value switch
            {
                { Json: { } json } => json.Deserialize<T>(ClientJson.Options),
                { Data: null } => default, // JSON's null is not told from its absence; what cannot be JSON has a bundle.
                _ => throw new JsonException($"a {value.Type} is not JSON"),
            };
        }
        catch (JsonException e)
        {
            throw new KernelGatewayException(ErrorCodes.NotSupported, $"The variable '{name}' cannot be had as {typeof(T).Name}: {e.Message}", innerException: e);
        }
    }

    /// <summary>Gets the value of any variable: as JSON, or as it is shown.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="GetVariableAsync"/>; <see cref="ErrorCodes.TooLarge"/>: it is too large.</exception>
    public Task<VariableValue> ShowVariableAsync(string name, string? contextId = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return _client.Http.GetVariableAsync(Id, name, contextId, cancellationToken);
    }

    /// <summary>Lists the variables of a context.</summary>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: the kernel is busy or dead.</exception>
    public async Task<IReadOnlyList<VariableInfo>> ListVariablesAsync(string? contextId = null, CancellationToken cancellationToken = default) =>
        (await _client.Http.ListVariablesAsync(Id, contextId, cancellationToken)).Variables;

    /// <summary>Sets a variable to a value that JSON can hold.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">The value.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.InvalidArgument"/>: the name is none that a variable can have.</exception>
    public Task SetVariableAsync<T>(string name, T value, string? contextId = null, CancellationToken cancellationToken = default) =>
        SetVariablesAsync(new Dictionary<string, object?> { [name] = value }, contextId, cancellationToken);

    /// <summary>Sets variables to values that JSON can hold, all of them or none.</summary>
    /// <param name="values">By name.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="SetVariableAsync"/>.</exception>
    public Task SetVariablesAsync(IReadOnlyDictionary<string, object?> values, string? contextId = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        var json = values.ToDictionary(v => v.Key, v => JsonSerializer.SerializeToElement(v.Value, ClientJson.Options));
        return _client.Http.SetVariablesAsync(Id, json, contextId, cancellationToken);
    }

    /// <summary>What could stand at a place in code.</summary>
    /// <param name="code">The code.</param>
    /// <param name="cursor">The place, in Unicode code points; the end when <c>null</c>.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: the kernel is busy or dead.</exception>
    public Task<CompleteResult> CompleteAsync(string code, int? cursor = null, string? contextId = null, CancellationToken cancellationToken = default) =>
        _client.Http.CompleteAsync(Id, new CompleteRequest(code, cursor, contextId), cancellationToken);

    /// <summary>What a name in code is.</summary>
    /// <param name="code">The code.</param>
    /// <param name="cursor">The place, in Unicode code points; the end when <c>null</c>.</param>
    /// <param name="contextId">The context; the default one when <c>null</c>.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: the kernel is busy or dead.</exception>
    public Task<InspectResult> InspectAsync(string code, int? cursor = null, string? contextId = null, CancellationToken cancellationToken = default) =>
        _client.Http.InspectAsync(Id, new InspectRequest(code, cursor, contextId), cancellationToken);
}
