using System.Text.Json;

namespace KernelGateway.Contracts.Sandboxes;

/// <summary>The variables of a context.</summary>
/// <param name="Variables">By name, at most 1000; those that begin with an underscore are left out.</param>
/// <param name="Total">How many there are.</param>
public sealed record VariableList(IReadOnlyList<VariableInfo> Variables, int Total);

/// <summary>One variable, without its value.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its class, with the module unless that is built in: <c>int</c>, <c>pandas.core.frame.DataFrame</c>.</param>
/// <param name="Shape">The dimensions of an array or a table.</param>
/// <param name="Length">What <c>len()</c> says.</param>
/// <param name="Size">Bytes of the object itself, without what it refers to (<c>sys.getsizeof</c>).</param>
/// <param name="Preview">The beginning of its text, at most 200 characters.</param>
public sealed record VariableInfo(string Name, string Type, IReadOnlyList<long>? Shape, long? Length, long? Size, string? Preview);

/// <summary>The value of a variable: as JSON where that holds all of it, else in the forms in which it is shown.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its class.</param>
/// <param name="Json">The value, when it consists of texts, numbers, truth values, <c>None</c>, lists and dictionaries with texts as keys.</param>
/// <param name="Data">Otherwise a MIME bundle, with <c>text/plain</c> at least.</param>
/// <param name="Metadata">The bundle's metadata.</param>
public sealed record VariableValue(
    string Name,
    string Type,
    JsonElement? Json = null,
    IReadOnlyDictionary<string, JsonElement>? Data = null,
    JsonElement? Metadata = null);

/// <summary>Body of <c>POST …/complete</c>.</summary>
/// <param name="Code">The code.</param>
/// <param name="Cursor">The place in it, in Unicode code points; its end when <c>null</c>.</param>
/// <param name="ContextId">The context; the default one when <c>null</c>.</param>
public sealed record CompleteRequest(string Code, int? Cursor = null, string? ContextId = null);

/// <summary>What could stand at a place in code.</summary>
/// <param name="Matches">The proposals.</param>
/// <param name="CursorStart">Where what they replace begins, in Unicode code points.</param>
/// <param name="CursorEnd">Where it ends.</param>
public sealed record CompleteResult(IReadOnlyList<string> Matches, int CursorStart, int CursorEnd);

/// <summary>Body of <c>POST …/inspect</c>.</summary>
/// <param name="Code">The code.</param>
/// <param name="Cursor">The place in it, in Unicode code points; its end when <c>null</c>.</param>
/// <param name="ContextId">The context; the default one when <c>null</c>.</param>
/// <param name="Detail">0, or 1 for more (the source).</param>
public sealed record InspectRequest(string Code, int? Cursor = null, string? ContextId = null, int Detail = 0);

/// <summary>What a name in code is.</summary>
/// <param name="Found">Whether the kernel knows it.</param>
/// <param name="Data">The answer as a MIME bundle; text has ANSI colours.</param>
public sealed record InspectResult(bool Found, IReadOnlyDictionary<string, JsonElement> Data);
