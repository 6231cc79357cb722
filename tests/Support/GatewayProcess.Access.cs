using System.Net.Http.Headers;
using KernelGateway.Client;

namespace KernelGateway.Testing;

/// <summary>How tests call it, and what they see of it on the host.</summary>
internal sealed partial class GatewayProcess
{
    /// <summary>Resident memory, bytes.</summary>
    public long ResidentBytes => HostProcesses.ResidentBytesOf(ProcessId);

    /// <summary>How many file descriptors it has open, its own program's among them.</summary>
    public int Descriptors => Directory.EnumerateFileSystemEntries($"/proc/{ProcessId}/fd").Count();

    /// <summary>What its file descriptors lead to, its own program left out, which is loaded as it is needed.</summary>
    public IReadOnlyList<string> OpenFiles() =>
        [.. Directory.EnumerateFileSystemEntries($"/proc/{ProcessId}/fd").Select(fd => new FileInfo(fd).LinkTarget).OfType<string>().Where(target => Path.GetExtension(target) is not (".dll" or ".pdb" or ".so"))];

    /// <summary>A client that waits as long as a restart may take.</summary>
    public KernelGatewayClient Client() => new(new KernelGatewayClientOptions { BaseAddress = Address, ApiKey = Key });

    /// <summary>Calls as the admin.</summary>
    public HttpClient Http() => HttpAs(Key);

    /// <summary>Calls with another key, or with none.</summary>
    public HttpClient HttpAs(string? key) => new()
    {
        BaseAddress = Address,
        DefaultRequestHeaders = { Authorization = key is null ? null : new AuthenticationHeaderValue("Bearer", key) },
    };

    /// <summary>Waits for the end of a run without reading what it prints.</summary>
    public async Task WaitForExecutionAsync(string sandboxId, string executionId, CancellationToken cancellationToken)
    {
        using var http = Http();
        using var answer = await http.GetAsync(new Uri($"/api/v1/sandboxes/{sandboxId}/executions/{executionId}?wait=true", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        answer.EnsureSuccessStatusCode();
    }
}
