using System.Text.Json;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;

namespace KernelGateway.Server.Hubs;

/// <summary>What is asked of a context beside its runs.</summary>
internal sealed partial class SandboxHub
{
    /// <summary>The variables of a context, by name; waits for its turn unless told not to.</summary>
    public Task<VariableList> ListVariables(string sandboxId, string? contextId, bool wait) =>
        Find(sandboxId).ListVariablesAsync(contextId, wait, Context.ConnectionAborted);

    /// <summary>The value of one variable.</summary>
    public Task<VariableValue> GetVariable(string sandboxId, string name, string? contextId, bool wait) =>
        Find(sandboxId).GetVariableAsync(name ?? "", contextId, wait, Context.ConnectionAborted);

    /// <summary>Sets variables to JSON values, all of them or none.</summary>
    public Task SetVariables(string sandboxId, Dictionary<string, JsonElement> values, string? contextId, bool wait) =>
        Find(sandboxId).SetVariablesAsync(
            values ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with values by name."),
            contextId, wait, Context.ConnectionAborted);

    /// <summary>What could stand at a place in code.</summary>
    public Task<CompleteResult> Complete(string sandboxId, CompleteRequest request) =>
        Find(sandboxId).CompleteAsync(
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'code'.", "code"), Context.ConnectionAborted);

    /// <summary>What a name in code is.</summary>
    public Task<InspectResult> Inspect(string sandboxId, InspectRequest request) =>
        Find(sandboxId).InspectAsync(
            request ?? throw new GatewayException(ErrorCode.InvalidArgument, "The second argument must be an object with 'code'.", "code"), Context.ConnectionAborted);
}
