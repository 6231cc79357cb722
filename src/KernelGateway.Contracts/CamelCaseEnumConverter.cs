using System.Text.Json;
using System.Text.Json.Serialization;

namespace KernelGateway.Contracts;

/// <summary>Writes an enum as its name in camel case; numbers are refused on reading.</summary>
/// <typeparam name="TEnum">The enum.</typeparam>
public sealed class CamelCaseEnumConverter<TEnum>() : JsonStringEnumConverter<TEnum>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where TEnum : struct, Enum;
