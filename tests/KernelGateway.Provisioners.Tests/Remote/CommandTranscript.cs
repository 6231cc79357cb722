using System.Text;
using System.Text.Json;
using KernelGateway.Core.KernelLogs;

namespace KernelGateway.Provisioners.Tests.Remote;

/// <summary>What the log of a command said.</summary>
internal sealed class CommandTranscript
{
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();

    internal string Output => _output.ToString();

    internal string Errors => _errors.ToString();

    internal JsonElement? End { get; private set; }

    internal List<string> Faults { get; } = [];

    internal KernelLogPosition Position { get; set; }

    internal int? Code => End is { ValueKind: JsonValueKind.Object } end && end.GetProperty("code").ValueKind == JsonValueKind.Number ? end.GetProperty("code").GetInt32() : null;

    internal int? Signal => End is { ValueKind: JsonValueKind.Object } end && end.GetProperty("signal").ValueKind == JsonValueKind.Number ? end.GetProperty("signal").GetInt32() : null;

    internal void Add(KernelLogRecord? record, KernelLogFault? fault)
    {
        if (fault is not null)
        {
            Faults.Add(fault.Message);
        }

        if (record is { Kind: KernelLogKind.CommandEnd })
        {
            using var end = JsonDocument.Parse(record.Frames[0]);
            End = end.RootElement.Clone();
        }
        else if (record is not null)
        {
            var into = record.Frames[0].Span.SequenceEqual("stderr"u8) ? _errors : _output;
            into.Append(Encoding.UTF8.GetString(record.Frames[1].Span));
        }
    }
}
