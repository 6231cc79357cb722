namespace KernelGateway.Client;

/// <summary>One line of printed text.</summary>
/// <param name="Line">The line without its end. Lines end at LF, CR LF, or a CR alone, as progress bars print it.</param>
/// <param name="Timestamp">When the gateway recorded the text that completed it (UTC).</param>
/// <param name="Error">True when it was printed to standard error.</param>
/// <param name="Stream"><c>stdout</c> or <c>stderr</c>.</param>
public sealed record OutputMessage(string Line, DateTimeOffset Timestamp, bool Error, string Stream);
