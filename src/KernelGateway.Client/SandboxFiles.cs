using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using KernelGateway.Client.Files;
using KernelGateway.Client.Http;
using KernelGateway.Contracts.Errors;
using KernelGateway.Contracts.Files;

namespace KernelGateway.Client;

/// <summary>
/// The files of a sandbox. Paths are absolute (<c>/workspace/a.txt</c>, <c>/tmp/x</c>), as code in the sandbox sees them, or relative to its
/// working folder. No symbolic link is followed. Every call fails with a <see cref="KernelGatewayException"/> whose code says what is in the
/// way, for example <see cref="ErrorCodes.FileNotFound"/>; nothing missing is ever taken for empty.
/// </summary>
public sealed class SandboxFiles
{
    private readonly KernelGatewayClient _client;
    private readonly string _sandboxId;

    internal SandboxFiles(KernelGatewayClient client, string sandboxId)
    {
        _client = client;
        _sandboxId = sandboxId;
    }

    /// <summary>Reads a whole file as UTF-8 text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<string> ReadTextAsync(string path, CancellationToken cancellationToken = default)
    {
        await using var stream = await OpenReadAsync(path, cancellationToken);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(cancellationToken);
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<byte[]> ReadBytesAsync(string path, CancellationToken cancellationToken = default)
    {
        await using var stream = await OpenReadAsync(path, cancellationToken);
        var bytes = new byte[stream.Length];
        await stream.ReadExactlyAsync(bytes, cancellationToken);
        return bytes;
    }

    /// <summary>Opens a file for reading as it is now. When the connection is cut, reading goes on where it was, in the same version of the file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Cancels the opening.</param>
    /// <returns>A stream that knows its length and cannot seek. Its reads fail with <see cref="ErrorCodes.FileChanged"/> when the file was replaced during a cut.</returns>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<Stream> OpenReadAsync(string path, CancellationToken cancellationToken = default) =>
        await DownloadStream.OpenAsync(_client, Route("/content", ("path", path)), cancellationToken);

    /// <summary>Writes a file as UTF-8 text: completely or not at all. Folders above it are made.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">What it is to contain.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public Task<FileEntry> WriteTextAsync(string path, string text, CancellationToken cancellationToken = default) =>
        WriteBytesAsync(path, Encoding.UTF8.GetBytes(text), cancellationToken);

    /// <summary>Writes a file: completely or not at all. Folders above it are made.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">What it is to contain.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public Task<FileEntry> WriteBytesAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default) =>
        _client.Http.PutAsync<FileEntry>(Route("/content", ("path", path)), () => new ReadOnlyMemoryContent(content), Repeat.Always, null, cancellationToken);

    /// <summary>Writes the rest of a stream: completely or not at all. A stream that can seek is sent in parts and goes on after a cut.</summary>
    /// <param name="path">The file.</param>
    /// <param name="content">What it is to contain, from its present position; it is not disposed.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>; <see cref="ClientErrorCodes.ConnectionLost"/> when a stream that cannot seek was cut.</exception>
    public Task<FileEntry> WriteAsync(string path, Stream content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        return content.CanSeek
            ? new PartUpload(_client, content, (id, parameters) => Route($"/uploads/{id}", [("path", path), .. parameters])).SendAsync(cancellationToken)
            : _client.Http.PutAsync<FileEntry>(Route("/content", ("path", path)), () => new OpenStreamContent(content, 0, long.MaxValue), Repeat.WhenNotSent, Timeout.InfiniteTimeSpan, cancellationToken);
    }

    /// <summary>Writes many small files with one call, in their order; the first that fails ends it.</summary>
    /// <param name="files">Path and content of each.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<IReadOnlyList<FileEntry>> WriteManyAsync(IEnumerable<FileToWrite> files, CancellationToken cancellationToken = default) =>
        (await _client.Http.PostAsync<WrittenFiles>(Route("/batch"), new WriteFilesRequest([.. files]), Repeat.Always, cancellationToken)).Items;

    /// <summary>Lists a folder, ordered by the bytes of the paths, a folder before what is in it.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="depth">1: its own content; each one more, a level of sub-folders.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async IAsyncEnumerable<FileEntry> ListAsync(string path = ".", int depth = 1, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? cursor = null;
        do
        {
            var page = await _client.Http.GetAsync<FileList>(Route("", ("path", path), ("depth", Number(depth)), ("cursor", cursor)), cancellationToken);
            foreach (var entry in page.Items)
            {
                yield return entry;
            }

            cursor = page.NextCursor;
        }
        while (cursor is not null);
    }

    /// <summary>Describes a file, folder or link.</summary>
    /// <param name="path">What.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public Task<FileEntry> StatAsync(string path, CancellationToken cancellationToken = default) =>
        _client.Http.GetAsync<FileEntry>(Route("/stat", ("path", path)), cancellationToken);

    /// <summary>Whether there is anything at a path, be it a link that leads nowhere.</summary>
    /// <param name="path">Where.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<bool> ExistsAsync(string path, CancellationToken cancellationToken = default)
    {
        try
        {
            await StatAsync(path, cancellationToken);
            return true;
        }
        catch (KernelGatewayException error) when (error.Code is ErrorCodes.FileNotFound or ErrorCodes.NotADirectory)
        {
            return false;
        }
    }

    /// <summary>Makes a folder.</summary>
    /// <param name="path">Where.</param>
    /// <param name="parents">Make what is missing above it too, and be content when it exists.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public Task<FileEntry> MkdirAsync(string path, bool parents = true, CancellationToken cancellationToken = default) =>
        _client.Http.PostAsync<FileEntry>(Route("/mkdir"), new MakeFolderRequest(path, parents), parents ? Repeat.Always : Repeat.WhenNotSent, cancellationToken);

    /// <summary>Removes a file, a link (not what it points to) or a folder.</summary>
    /// <param name="path">What.</param>
    /// <param name="recursive">Remove what is in a folder too.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>; <see cref="ErrorCodes.DirectoryNotEmpty"/>.</exception>
    public Task RemoveAsync(string path, bool recursive = false, CancellationToken cancellationToken = default) =>
        _client.Http.SendAsync(HttpMethod.Delete, Route("", ("path", path), ("recursive", recursive ? "true" : null)), null, Repeat.WhenNotSent, cancellationToken);

    /// <summary>Copies a file, or a folder with all in it.</summary>
    /// <param name="from">What.</param>
    /// <param name="to">The path of the copy.</param>
    /// <param name="overwrite">Replace a file that is there already.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>; <see cref="ErrorCodes.AlreadyExists"/>.</exception>
    public Task<FileEntry> CopyAsync(string from, string to, bool overwrite = false, CancellationToken cancellationToken = default) =>
        _client.Http.PostAsync<FileEntry>(Route("/copy"), new TransferRequest(from, to, overwrite), overwrite ? Repeat.Always : Repeat.WhenNotSent, cancellationToken);

    /// <summary>Gives a file or folder another path.</summary>
    /// <param name="from">What.</param>
    /// <param name="to">Its new path.</param>
    /// <param name="overwrite">Replace a file that is there already.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>; <see cref="ErrorCodes.AlreadyExists"/>.</exception>
    public Task<FileEntry> MoveAsync(string from, string to, bool overwrite = false, CancellationToken cancellationToken = default) =>
        _client.Http.PostAsync<FileEntry>(Route("/move"), new TransferRequest(from, to, overwrite), Repeat.WhenNotSent, cancellationToken);

    /// <summary>Copies a local file into the sandbox; goes on after a cut.</summary>
    /// <param name="localPath">The file here.</param>
    /// <param name="path">The file in the sandbox.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="IOException">The local file cannot be read.</exception>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task<FileEntry> UploadAsync(string localPath, string path, CancellationToken cancellationToken = default)
    {
        await using var file = new FileStream(localPath, FileMode.Open, FileAccess.Read, FileShare.Read, 4096, FileOptions.Asynchronous | FileOptions.SequentialScan);
        return await WriteAsync(path, file, cancellationToken);
    }

    /// <summary>Copies a file of the sandbox to a local one, which is replaced when all has arrived; goes on after a cut.</summary>
    /// <param name="path">The file in the sandbox.</param>
    /// <param name="localPath">The file here.</param>
    /// <param name="cancellationToken">Cancels the call; the local file stays as it was.</param>
    /// <exception cref="IOException">The local file cannot be written.</exception>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public async Task DownloadAsync(string path, string localPath, CancellationToken cancellationToken = default)
    {
        await using var stream = await OpenReadAsync(path, cancellationToken);
        var unfinished = $"{localPath}.{Guid.NewGuid():N}.part";
        try
        {
            await using (var file = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None, 4096, FileOptions.Asynchronous))
            {
                await stream.CopyToAsync(file, cancellationToken);
            }

            File.Move(unfinished, localPath, overwrite: true);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }

    /// <summary>
    /// Tells changes below a folder as they happen, until the sandbox ends. The first is <see cref="FileChangeType.Ready"/>. After a cut the
    /// watch begins anew, and an <see cref="FileChangeType.Overflow"/> says that changes may have been missed.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="recursive">Tell of the folders below it too.</param>
    /// <param name="cancellationToken">Ends the watch.</param>
    /// <exception cref="KernelGatewayException">See <see cref="SandboxFiles"/>.</exception>
    public IAsyncEnumerable<FileChange> WatchAsync(string path = ".", bool recursive = true, CancellationToken cancellationToken = default) =>
        new ChangeReader(_client, _sandboxId, Route("/watch", ("path", path), ("recursive", recursive ? null : "false"))).ReadAsync(cancellationToken);

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

    private string Route(string below, params (string Name, string? Value)[] parameters)
    {
        var query = string.Join('&', parameters.Where(one => one.Value is not null).Select(one => $"{one.Name}={Uri.EscapeDataString(one.Value!)}"));
        return $"{SandboxRoutes.Of(_sandboxId)}/files{below}{(query.Length > 0 ? "?" : "")}{query}";
    }
}
