using System.Collections.Frozen;
using System.Reflection;
using System.Text.Json.Serialization;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Server.Api;

/// <summary>The <c>type</c> of each event, as its JSON has it.</summary>
internal static class EventTypes
{
    private static readonly FrozenDictionary<Type, string> Names = typeof(SandboxEvent)
        .GetCustomAttributes<JsonDerivedTypeAttribute>()
        .ToFrozenDictionary(a => a.DerivedType, a => (string)a.TypeDiscriminator!);

    public static string Of(SandboxEvent @event) => Names[@event.GetType()];
}
