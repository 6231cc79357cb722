using KernelGateway.Contracts.Snapshots;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Faults;
using KernelGateway.Core.Files;
using KernelGateway.Core.Kernels;
using KernelGateway.Core.Provisioning;
using KernelGateway.Core.Sandboxes;
using KernelGateway.Jupyter;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Core.Snapshots;

/// <summary>
/// Has a kernel write its variables into files of its sandbox, which are copied out, and the other way. Only kernels read what is in them.
/// What a kernel says is its own code's to choose: it is cut to size and believed by nobody.
/// </summary>
internal sealed class SnapshotVariables(ISandboxFiles files, string folder, string environment, SnapshotOptions options)
{
    private const int MaxName = 256;
    private const int MaxReason = 400;
    private const int MaxFolder = 4095;

    /// <summary>Takes away what a gateway that was killed left in a sandbox; its folder may be that of others too.</summary>
    public static async Task TidyUpAsync(IFileHost host, string sandboxId, CancellationToken cancellationToken)
    {
        try
        {
            var files = host.Files;
            var found = await files.ListAsync(SandboxPath.Parse("."), new FileListing(1, 1000, null), cancellationToken);
            foreach (var left in found.Items.Where(entry => entry.Name.StartsWith(PrefixOf(sandboxId), StringComparison.Ordinal)))
            {
                await files.RemoveAsync(SandboxPath.Parse(left.Name), recursive: true, cancellationToken);
            }
        }
        catch (GatewayException)
        {
            // It ends, or cannot be read: then nothing is in the way either.
        }
    }

    /// <summary>Makes the folder in the sandbox that the files go through, and afterwards takes it away.</summary>
    public static async Task<T> WithFolderAsync<T>(
        ISandboxFiles files, SandboxRecord record, SnapshotOptions options, Func<SnapshotVariables, Task<T>> act, CancellationToken cancellationToken)
    {
        var path = SandboxPath.Parse(PrefixOf(record.Id) + Guid.NewGuid().ToString("N"));
        var made = await files.MakeFolderAsync(path, parents: false, cancellationToken);
        try
        {
            return await act(new SnapshotVariables(files, made.Path, record.Environment, options));
        }
        finally
        {
            try
            {
                await files.RemoveAsync(path, recursive: true, CancellationToken.None);
            }
            catch (GatewayException)
            {
                // The sandbox has ended, or its own code took it away.
            }
        }
    }

    /// <summary>Keeps the variables of a context.</summary>
    /// <returns>What was kept, what was not, and the folder that its kernel is in.</returns>
    /// <exception cref="GatewayException">The kernel did not do it: nothing of the snapshot may be kept then.</exception>
    public async Task<(IReadOnlyList<SnapshotVariable> Kept, IReadOnlyList<NotKept> NotKept, string? Folder)> KeepAsync(
        KernelSession session, int number, SnapshotDraft draft, CancellationToken cancellationToken)
    {
        var (variables, buffers) = (PartNames.Variables(number), PartNames.Buffers(number));
        var reply = await AskAsync(
            session,
            "keep its variables",
            new JObject
            {
                ["save"] = new JObject
                {
                    ["stream_path"] = $"{folder}/{variables}",
                    ["buffers_path"] = $"{folder}/{buffers}",
                    ["most"] = draft.Room,
                    ["most_each"] = options.MaxVariableBytes,
                    ["most_names"] = options.MaxVariables,
                },
            },
            cancellationToken);
        await CopyOutAsync(variables, draft, cancellationToken);
        await CopyOutAsync(buffers, draft, cancellationToken);
        var kept = Items(reply["kept"]).Select(v => new SnapshotVariable(Text(v["name"], MaxName), Text(v["type"], MaxName), Size(v["size"]), Text(v["digest"], 64)))
            .DistinctBy(v => v.Name).OrderBy(v => v.Name, StringComparer.Ordinal).ToList();
        return (kept, [.. Items(reply["left"]).Select(NotKeptOf)], Folder(reply["cwd"]));
    }

    /// <summary>Brings the variables of a context back.</summary>
    /// <returns>How many, and which not.</returns>
    public async Task<(int Restored, IReadOnlyList<NotKept> Lost)> RestoreAsync(KernelSession session, int number, OpenedSnapshot from, string? cwd, CancellationToken cancellationToken)
    {
        var (variables, buffers) = (PartNames.Variables(number), PartNames.Buffers(number));
        foreach (var name in new[] { variables, buffers })
        {
            var part = from.Part(name);
            await files.WriteAsync(PathOf(name), part, new FileWrite(part.Length), cancellationToken);
        }

        Fault.At("snapshot.before_load");
        var reply = await AskAsync(
            session,
            "restore its variables",
            new JObject { ["load"] = new JObject { ["stream_path"] = $"{folder}/{variables}", ["buffers_path"] = $"{folder}/{buffers}", ["cwd"] = cwd } },
            cancellationToken);
        return ((int)Math.Min(Size(reply["restored"]), options.MaxVariables), [.. Items(reply["lost"]).Select(NotKeptOf)]);
    }

    private async Task CopyOutAsync(string name, SnapshotDraft draft, CancellationToken cancellationToken)
    {
        try
        {
            using var content = await files.OpenAsync(PathOf(name), cancellationToken);
            await using var stream = new FileContentStream(content);
            draft.Demand(content.Entry.Size, "the file with variables of a context");
            await draft.WriteAsync(name, part => stream.CopyToAsync(part, cancellationToken), cancellationToken);
            await files.RemoveAsync(PathOf(name), recursive: false, cancellationToken);
        }
        catch (Exception e) when (e is FilesChangedException or GatewayException { Code: ErrorCode.FileNotFound or ErrorCode.SymlinkNotFollowed or ErrorCode.NotARegularFile or ErrorCode.NotADirectory or ErrorCode.IsADirectory or ErrorCode.PermissionDenied })
        {
            throw new GatewayException(ErrorCode.KernelFailed, $"The kernel says that it has kept its variables, but the file it should have written is missing, or is none: {e.Message} Code in the sandbox interferes.", inner: e);
        }
    }

    private async Task<JObject> AskAsync(KernelSession session, string what, JObject content, CancellationToken cancellationToken)
    {
        JObject reply;
        try
        {
            reply = await session.AskSnapshotAsync(what, content, options.Timeout, cancellationToken);
        }
        catch (KernelErrorException e)
        {
            throw new GatewayException(ErrorCode.KernelFailed, e.Message, inner: e);
        }
        catch (Exception e) when (e is OperationCanceledException or GatewayException { Code: ErrorCode.Conflict })
        {
            await session.InterruptQuestionAsync(); // Else it would go on with what nobody wants any more.
            throw;
        }

        return Text(reply["status"], 10) == "ok" ? reply : throw Refused(session.Id, Text(reply["ename"], MaxName), Text(reply["evalue"], MaxReason));
    }

    private GatewayException Refused(string context, string name, string value) => name switch
    {
        "ModuleNotFoundError" or "ImportError" when value.Contains("dill", StringComparison.Ordinal) => new(
            ErrorCode.NotSupported,
            $"The environment '{environment}' has no dill, which keeps and restores variables: {value}. Install the package python3-dill (packages.txt of the environment; in a Jupyter Server, dill beside its kernels), or leave the variables out with 'contextIds': []."),
        "NoRoom" => new(ErrorCode.DiskFull, $"There is no room on the sandbox's disk for a copy of the variables of context '{context}' ({value}). Remove files, or make a sandbox with a larger 'diskMb'."),
        _ => new(ErrorCode.KernelFailed, $"The kernel of context '{context}' answered with an error: {name}: {value}"),
    };

    private static string PrefixOf(string sandboxId) => $"{FileSurvey.OwnPrefix}snapshot-{sandboxId}-";

    private SandboxPath PathOf(string name) => SandboxPath.Parse($"{folder}/{name}");

    private IEnumerable<JObject> Items(JToken? list) => (list as JArray ?? []).OfType<JObject>().Take(options.MaxVariables + 1);

    private static NotKept NotKeptOf(JObject item) => new(Text(item["name"], MaxName), Text(item["type"], MaxName), Text(item["reason"], MaxReason));

    private static string Text(JToken? token, int most) =>
        token is JValue { Value: string text } ? string.Concat((text.Length > most ? text[..most] : text).Select(c => char.IsControl(c) || char.IsSurrogate(c) ? '?' : c)) : "";

    private static long Size(JToken? token) => token is JValue { Value: long and >= 0 } size ? (long)size : 0;

    private static string? Folder(JToken? token) => token is JValue { Value: string { Length: > 0 and <= MaxFolder } folder } && !folder.Contains('\0', StringComparison.Ordinal) ? folder : null;
}
