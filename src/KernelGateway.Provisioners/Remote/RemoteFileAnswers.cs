using System.Text;
using System.Text.Json;
using KernelGateway.Contracts.Files;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Files;
using KernelGateway.Provisioners.Files;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Remote;

/// <summary>Reads what <c>remote_files.py</c> says, as that of somebody who may lie.</summary>
internal sealed class RemoteFileAnswers(PlacePaths paths)
{
    private const int MaxNames = 4096;
    private const int MaxName = 4096;
    private const int StatusNumbers = 8;
    private const long LastSecond = 253_402_300_799;

    internal FileRefusals Refusals { get; } = new(paths);

    /// <summary>The value of an answer.</summary>
    /// <exception cref="GatewayException">What is in the way.</exception>
    internal JsonElement Demand(JsonElement answer)
    {
        if (answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("ok", out var value))
        {
            return value;
        }

        throw Explain(answer);
    }

    internal FileEntry Entry(JsonElement answer, byte[][] names)
    {
        var status = Status(answer.Field("stat"));
        var target = status.Type == FileType.Symlink && answer.Optional("target") is { } link ? SandboxPath.Show(Bytes(link)) : null;
        return status.Describe(paths.Show(names), target);
    }

    internal static byte[][] NamesIn(JsonElement names)
    {
        byte[][] list = [.. names.List(MaxNames).Select(Bytes)];
        return list.All(name => name.Length > 0 && !name.Contains((byte)'/') && !name.Contains((byte)0)) ? list : throw RemoteAnswer.Malformed();
    }

    internal static FileStatus Status(JsonElement json)
    {
        var numbers = json.List(StatusNumbers);
        if (numbers.Count < StatusNumbers)
        {
            throw RemoteAnswer.Malformed();
        }

        var (size, changed, changedNanoseconds) = (numbers[3].Count(), numbers[6].Number(), (uint)Math.Clamp(numbers[7].Number(), 0, 999_999_999));
        var inode = numbers[1].Unsigned();
        return new FileStatus(
            (uint)(numbers[0].Count() & 0xFFFF),
            inode,
            numbers[2].Unsigned(),
            size,
            FileStatus.Time(numbers[4].Number(), (uint)Math.Clamp(numbers[5].Number(), 0, 999_999_999)),
            FileStatus.VersionOf(inode, size, Math.Clamp(changed, 0, LastSecond), changedNanoseconds));
    }

    private GatewayException Explain(JsonElement answer)
    {
        if (answer.Optional("refused") is { } code)
        {
            var why = TextTail.Clean(answer.Optional("error")?.Words() ?? "");
            return code.Words() == "many"
                ? new GatewayException(ErrorCode.LimitReached, "Too many calls on the files of this sandbox are under way. Wait for some to end.")
                : new GatewayException(ErrorCode.KernelFailed, $"The files of the sandbox could not be used: {why}");
        }

        var field = answer.Optional("field")?.Words() is "from" or "to" or "uploadId" ? answer.Field("field").Words() : "path";
        var names = answer.Optional("names") is { } shown ? NamesIn(shown) : [];
        if (answer.Optional("errno") is { } error)
        {
            byte[][]? link = answer.Optional("link")?.Count() is { } length && length <= names.Length ? names[..(int)length] : null;
            return Refusals.Explain((int)Math.Clamp(error.Number(), 1, 4095), names, link, field);
        }

        if (answer.Optional("type") is { } mode)
        {
            return NoFile(new FileStatus((uint)(mode.Count() & 0xFFFF), 0, 0, 0, default, "").Type, names, field);
        }

        if (answer.Optional("upload") is { } upload)
        {
            return upload.Words() switch
            {
                "nothing" => FileRefusals.NothingArrived(),
                "busy" => FileRefusals.BusyUpload(),
                _ => FileRefusals.WrongOffset(answer.Field("asked").Count(), answer.Field("size").Count()),
            };
        }

        return answer switch
        {
            _ when answer.Optional("root") is not null => Refusals.IsRoot(field),
            _ when answer.Optional("changed") is not null => Refusals.Changed(names),
            _ when answer.Optional("deep") is { } deep => Refusals.TooDeep(names, (int)Math.Min(deep.Count(), int.MaxValue)),
            _ when answer.Optional("closed") is not null => new(ErrorCode.Conflict, "The file is not open any more. Begin again."),
            _ when answer.Optional("many") is not null => new(ErrorCode.LimitReached, "Too many files of this sandbox are open. Wait for some calls to end."),
            _ when answer.Optional("watches") is { } why => new(ErrorCode.LimitReached, $"The server's machine can watch no more folders ({TextTail.Clean(why.Words())}). End a watch, or raise fs.inotify.max_user_instances there."),
            _ => RemoteAnswer.Malformed(),
        };
    }

    private GatewayException NoFile(FileType type, byte[][] names, string field)
    {
        try
        {
            Refusals.DemandFile(type, names, field);
            return RemoteAnswer.Malformed();
        }
        catch (GatewayException e)
        {
            return e;
        }
    }

    private static byte[] Bytes(JsonElement name)
    {
        var text = name.Words();
        return text.Length <= MaxName && text.All(one => one <= 0xFF) ? Encoding.Latin1.GetBytes(text) : throw RemoteAnswer.Malformed();
    }
}
