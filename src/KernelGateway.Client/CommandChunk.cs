namespace KernelGateway.Client;

/// <summary>A piece of what a command put out, as it came.</summary>
/// <param name="Stream"><c>stdout</c> or <c>stderr</c>; with a terminal all is <c>stdout</c>.</param>
/// <param name="Text">The text; bytes that are not UTF-8 are replaced.</param>
/// <param name="Bytes">The bytes.</param>
/// <param name="Timestamp">When the gateway recorded it (UTC).</param>
public sealed record CommandChunk(string Stream, string Text, ReadOnlyMemory<byte> Bytes, DateTimeOffset Timestamp);
