using System.Text;
using KernelGateway.Contracts.Commands;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;

namespace KernelGateway.Core.Commands;

/// <summary>Checks what is asked of commands.</summary>
internal static class CommandRequests
{
    /// <summary>The system takes no argument above 128 KiB.</summary>
    public const int MaxWordBytes = (128 << 10) - 1;

    /// <summary>Most input of one request, bytes.</summary>
    public const int MaxInputBytes = 256 << 10;

    private const int MaxWords = 4096;
    private const int MaxTerminal = 10_000;

    public static CommandLaunch ToLaunch(StartCommandRequest request, double defaultTimeout, IReadOnlyDictionary<string, string> variables, SandboxOptions options)
    {
        if (request.User is not null)
        {
            throw new GatewayException(ErrorCode.NotSupported, "Commands run as the sandbox's own user; leave 'user' out.", "user");
        }

        if ((request.Command is null) == (request.Argv is null))
        {
            throw Invalid("command", "Name either 'command', a text for the shell, or 'argv', a program and its arguments.");
        }

        var field = request.Command is null ? "argv" : "command";
        var words = request.Argv ?? [request.Command!];
        if (words.Count is 0 or > MaxWords || string.IsNullOrWhiteSpace(words[0]))
        {
            throw Invalid(field, $"'{field}' must not be empty, and 'argv' may have at most {MaxWords} parts.");
        }

        foreach (var word in words)
        {
            CheckText(word, field, MaxWordBytes, "Put a long text into a file or into 'stdin'.");
        }

        if (request.Cwd is not null)
        {
            CheckText(request.Cwd, "cwd", 4000, "That is no path.");
        }

        var timeout = CreateSandboxValidator.Seconds(request.TimeoutSeconds, defaultTimeout, "timeoutSeconds", options);
        var merged = new Dictionary<string, string>(variables);
        foreach (var (name, value) in CreateSandboxValidator.Variables(request.Env))
        {
            merged[name] = value;
        }

        return new CommandLaunch(
            Guid.NewGuid().ToString("N"), words, request.Command is not null, string.IsNullOrEmpty(request.Cwd) ? null : request.Cwd, merged,
            Input(request.Stdin, null, "stdin"), request.KeepStdinOpen, request.Pty is null ? null : Size(request.Pty),
            TimeSpan.FromSeconds(timeout), options.CommandGrace);
    }

    public static TerminalSize Size(PtySize size) => size.Columns is >= 1 and <= MaxTerminal && size.Rows is >= 1 and <= MaxTerminal
        ? new TerminalSize(size.Columns, size.Rows)
        : throw Invalid("pty", $"'columns' and 'rows' of a terminal must be between 1 and {MaxTerminal}.");

    /// <summary>The bytes of an input.</summary>
    public static ReadOnlyMemory<byte> Input(string? text, string? base64, string field)
    {
        if (text is not null && base64 is not null)
        {
            throw Invalid("base64", "Give either 'text' or 'base64'.");
        }

        byte[] bytes;
        try
        {
            bytes = base64 is null ? Encoding.UTF8.GetBytes(text ?? "") : Convert.FromBase64String(base64);
        }
        catch (FormatException)
        {
            throw Invalid("base64", "'base64' is not valid Base64.");
        }

        return bytes.Length <= MaxInputBytes
            ? bytes
            : throw Invalid(base64 is null ? field : "base64", $"One request may have at most {MaxInputBytes} bytes of input, but has {bytes.Length}. Send it in parts, or write it to a file.");
    }

    private static void CheckText(string? text, string field, int maxBytes, string wayOut)
    {
        if (text is null || text.Contains('\0', StringComparison.Ordinal))
        {
            throw Invalid(field, $"'{field}' is missing a text or holds a NUL character, which no program can be given.");
        }

        if (Encoding.UTF8.GetByteCount(text) is var bytes && bytes > maxBytes)
        {
            throw Invalid(field, $"'{field}' may have at most {maxBytes} bytes in one text, but has {bytes}. {wayOut}");
        }
    }

    private static GatewayException Invalid(string field, string message) => new(ErrorCode.InvalidArgument, message, field);
}
