using System.Runtime.CompilerServices;
using System.Text;
using KernelGateway.Client.Http;
using KernelGateway.Client.Output;
using KernelGateway.Contracts.Commands;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Events;

namespace KernelGateway.Client;

/// <summary>One command in a sandbox. It goes on whether or not anybody reads it.</summary>
public sealed class RunningCommand
{
    private readonly KernelGatewayClient _client;
    private readonly CommandOptions _options;

    internal RunningCommand(KernelGatewayClient client, CommandInfo info, CommandOptions options)
    {
        _client = client;
        Info = info;
        _options = options;
    }

    /// <summary>The command's id.</summary>
    public string Id => Info.Id;

    /// <summary>The command as it was when this object was made.</summary>
    public CommandInfo Info { get; }

    /// <summary>What it puts out, from its beginning to its end, over any number of connections; each piece exactly once and in order.</summary>
    /// <param name="cancellationToken">Ends the reading; the command goes on.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or stayed away too long, or events are missing.</exception>
    public async IAsyncEnumerable<CommandChunk> Output([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var next in EventsAsync(cancellationToken))
        {
            if (next is CommandOutputEvent output)
            {
                yield return Chunk(output);
            }
        }
    }

    /// <summary>Waits for the end; calls the callbacks that were given at the start on the way. May be called again: it reads everything again.</summary>
    /// <param name="cancellationToken">Ends the waiting; the command goes on.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or stayed away too long, or events are missing.</exception>
    public async Task<CommandOutcome> WaitAsync(CancellationToken cancellationToken = default)
    {
        using var stdout = new MemoryStream();
        using var stderr = new MemoryStream();
        var outLines = new LineAssembler("stdout", line => _options.OnStdout?.Invoke(line));
        var errorLines = new LineAssembler("stderr", line => _options.OnStderr?.Invoke(line));
        var truncated = false;
        CommandFinishedEvent? end = null;
        await foreach (var next in EventsAsync(cancellationToken))
        {
            switch (next)
            {
                case CommandOutputEvent output:
                    var chunk = Chunk(output);
                    var isError = chunk.Stream == "stderr";
                    (isError ? errorLines : outLines).Add(chunk.Text, chunk.Timestamp);
                    truncated |= stdout.Length + stderr.Length + chunk.Bytes.Length > _options.KeepBytes;
                    if (!truncated)
                    {
                        (isError ? stderr : stdout).Write(chunk.Bytes.Span);
                    }

                    break;
                case CommandFinishedEvent finished:
                    end = finished;
                    break;
                default:
                    truncated |= next is OmittedEvent or TruncatedEvent or GapEvent;
                    break;
            }
        }

        outLines.Flush();
        errorLines.Flush();
        return new CommandOutcome
        {
            ExitCode = end!.ExitCode,
            Stdout = Encoding.UTF8.GetString(stdout.ToArray()),
            Stderr = Encoding.UTF8.GetString(stderr.ToArray()),
            Duration = TimeSpan.FromSeconds(end.DurationSeconds ?? 0),
            Reason = end.Reason,
            ReasonCode = end.ReasonCode,
            Violations = end.Violations,
            Truncated = truncated,
        };
    }

    /// <summary>Writes text to its standard input.</summary>
    /// <param name="text">The text, with the newline when one is meant.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.LimitReached"/>: it does not read what it has. <see cref="ErrorCodes.Conflict"/>: it has ended, or its input is closed. <see cref="ClientErrorCodes.ConnectionLost"/>: it may have arrived or not.</exception>
    public Task WriteStdinAsync(string text, CancellationToken cancellationToken = default) =>
        PostAsync("stdin", new CommandInputRequest(Text: text), Repeat.WhenNotSent, cancellationToken);

    /// <summary>Writes bytes to its standard input.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="WriteStdinAsync(string, CancellationToken)"/>.</exception>
    public Task WriteStdinAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default) =>
        PostAsync("stdin", new CommandInputRequest(Base64: Convert.ToBase64String(bytes.Span)), Repeat.WhenNotSent, cancellationToken);

    /// <summary>Ends its standard input; on a terminal presses Ctrl-D.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">As <see cref="WriteStdinAsync(string, CancellationToken)"/>.</exception>
    public Task CloseStdinAsync(CancellationToken cancellationToken = default) =>
        PostAsync("stdin", new CommandInputRequest(Close: true), Repeat.WhenNotSent, cancellationToken);

    /// <summary>Sends a signal to its process group.</summary>
    /// <param name="signal">Its name, such as <c>SIGTERM</c>, or its number.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: it has ended.</exception>
    public Task SignalAsync(string signal, CancellationToken cancellationToken = default) =>
        PostAsync("signal", new SignalCommandRequest(signal), Repeat.WhenNotSent, cancellationToken);

    /// <summary>Ends it and all it has started, at once. Nothing happens when it has ended.</summary>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">The gateway refused or could not be reached.</exception>
    public Task KillAsync(CancellationToken cancellationToken = default) => PostAsync("kill", null, Repeat.Always, cancellationToken);

    /// <summary>Changes the size of its terminal.</summary>
    /// <param name="columns">Characters across.</param>
    /// <param name="rows">Lines.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException"><see cref="ErrorCodes.Conflict"/>: it has ended, or has no terminal.</exception>
    public Task ResizeAsync(int columns, int rows, CancellationToken cancellationToken = default) =>
        PostAsync("resize", new PtySize(columns, rows), Repeat.Always, cancellationToken);

    internal static string Route(string sandboxId, string commandId) => $"{SandboxRoutes.Of(sandboxId)}/commands/{SandboxRoutes.Segment(commandId)}";

    private Task PostAsync(string act, object? body, Repeat repeat, CancellationToken cancellationToken) =>
        _client.Http.SendAsync(HttpMethod.Post, $"{Route(Info.SandboxId, Id)}/{act}", body, repeat, cancellationToken);

    private async IAsyncEnumerable<SandboxEvent> EventsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var next in _client.EventsOf(Info.SandboxId).ReadAsync(Info.FirstSequence - 1, cancellationToken))
        {
            if (next.CommandId == Id || (next is TruncatedEvent or GapEvent && next.ExecutionId is null))
            {
                yield return next;
            }

            if (next is CommandFinishedEvent && next.CommandId == Id)
            {
                yield break;
            }
        }

        throw new KernelGatewayException(ErrorCodes.KernelFailed, "The sandbox has ended, and the end of this command was not recorded.");
    }

    private static CommandChunk Chunk(CommandOutputEvent output)
    {
        var bytes = output.Base64 is { } base64 ? Convert.FromBase64String(base64) : Encoding.UTF8.GetBytes(output.Text ?? "");
        return new CommandChunk(output.Stream, output.Text ?? Encoding.UTF8.GetString(bytes), bytes, output.Time);
    }
}
