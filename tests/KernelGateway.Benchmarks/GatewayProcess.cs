using System.Diagnostics;
using System.Globalization;
using KernelGateway.Client;

namespace KernelGateway.Benchmarks;

/// <summary>The gateway as users run it: a process of its own, here on a free port and on data that are thrown away.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("kgb-").FullName;
    private readonly Process _process;
    private readonly TaskCompletionSource<Uri> _listening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Uri? _address;

    private GatewayProcess()
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "KernelGateway.Server.dll"), "--urls", "http://127.0.0.1:0"])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = _folder,
        };
        start.Environment["Gateway__DataDirectory"] = _folder;
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, line) => Look(line.Data);
        _process.Exited += (_, _) => _listening.TrySetException(new InvalidOperationException("The gateway ended at once."));
    }

    /// <summary>Resident memory now, bytes.</summary>
    public long ResidentBytes =>
        long.Parse(File.ReadAllText($"/proc/{_process.Id}/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    private string Key => File.ReadAllText(Path.Combine(_folder, "admin.key")).Trim();

    public static async Task<GatewayProcess> StartAsync()
    {
        var gateway = new GatewayProcess();
        gateway._process.Start();
        gateway._process.BeginOutputReadLine();
        gateway._address = await gateway._listening.Task.WaitAsync(Patience);
        return gateway;
    }

    public KernelGatewayClient Sdk() => new(new KernelGatewayClientOptions { BaseAddress = _address, ApiKey = Key });

    public HttpClient Http() => new() { BaseAddress = _address, DefaultRequestHeaders = { { "Authorization", $"Bearer {Key}" } } };

    /// <summary>Ends all sandboxes, then the process, and removes the data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await using (var client = Sdk())
            {
                await foreach (var info in Sandbox.ListAsync(client))
                {
                    await using var sandbox = await Sandbox.FromIdAsync(info.Id, client);
                    await sandbox.TerminateAsync(TimeSpan.Zero);
                }
            }

            _process.Kill();
            await _process.WaitForExitAsync();
        }

        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private void Look(string? line)
    {
        const string Announcement = "Now listening on: ";
        if (line?.IndexOf(Announcement, StringComparison.Ordinal) is >= 0 and var at)
        {
            _listening.TrySetResult(new Uri(line[(at + Announcement.Length)..].Trim()));
        }
    }
}
