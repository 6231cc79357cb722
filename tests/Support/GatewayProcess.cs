using System.Diagnostics;
using System.Runtime.InteropServices;
using KernelGateway.Client;

namespace KernelGateway.Testing;

/// <summary>The gateway as a process of its own on a free port, which can be killed and started again on the same data.</summary>
internal sealed partial class GatewayProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, string> _settings;
    private readonly List<string> _output = [];
    private IReadOnlyList<string> _through = [];
    private Process? _process;
    private string? _url;

    private GatewayProcess(Dictionary<string, string> settings, string dataFolder)
    {
        _settings = settings;
        DataFolder = dataFolder;
    }

    public string DataFolder { get; }

    public Uri Address => new(_url!);

    public string Key => File.ReadAllText(Path.Combine(DataFolder, "admin.key")).Trim();

    public int ProcessId => _process!.Id;

    /// <summary>Starts a gateway on new data. Settings are configuration keys such as <c>Gateway:Sandboxes:MaxCpu</c>.</summary>
    public static Task<GatewayProcess> StartNewAsync(params (string Key, string Value)[] settings) =>
        StartOnAsync(Directory.CreateTempSubdirectory("kg-").FullName, [], settings);

    /// <summary>Starts a gateway on a data folder, which is removed with it, perhaps through a program that becomes it, such as <c>prlimit</c>.</summary>
    public static async Task<GatewayProcess> StartOnAsync(string dataFolder, IReadOnlyList<string> through, params (string Key, string Value)[] settings)
    {
        Directory.CreateDirectory(dataFolder);
        var gateway = new GatewayProcess(settings.ToDictionary(s => Variable(s.Key), s => s.Value), dataFolder) { _through = through };
        try
        {
            await gateway.StartAsync();
            return gateway;
        }
        catch
        {
            await gateway.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it, the first time or again on the same port; returns when it listens.</summary>
    public async Task StartAsync()
    {
        string[] command = [.. _through, "dotnet"];
        var start = new ProcessStartInfo(command[0], [.. command.Skip(1), Path.Combine(AppContext.BaseDirectory, "KernelGateway.Server.dll"), "--urls", _url ?? "http://127.0.0.1:0"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = DataFolder,
        };
        foreach (var (key, value) in _settings)
        {
            start.Environment[key] = value;
        }

        start.Environment["Gateway__DataDirectory"] = DataFolder;
        var listening = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var process = _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        process.Exited += (_, _) => listening.TrySetException(new InvalidOperationException($"The gateway ended at once:\n{Log}"));
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _url = await listening.Task.WaitAsync(Patience);

        void Take(string? line)
        {
            if (line is null)
            {
                return;
            }

            lock (_output)
            {
                _output.Add(line);
            }

            const string Announcement = "Now listening on: ";
            var at = line.IndexOf(Announcement, StringComparison.Ordinal);
            if (at >= 0)
            {
                listening.TrySetResult(line[(at + Announcement.Length)..].Trim());
            }
        }
    }

    /// <summary>Completes when the process has ended, however.</summary>
    public Task Ended => _process!.WaitForExitAsync();

    public bool HasEnded => _process?.HasExited ?? true;

    /// <summary>Changes a setting, or an environment variable, from the next start on; null removes it.</summary>
    public void Set(string key, string? value)
    {
        if (value is null)
        {
            _settings.Remove(Variable(key));
        }
        else
        {
            _settings[Variable(key)] = value;
        }
    }

    /// <summary>What it has written.</summary>
    public string Log
    {
        get
        {
            lock (_output)
            {
                return string.Join('\n', _output);
            }
        }
    }

    /// <summary>SIGKILL; nothing is tidied up.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Sends a signal and does not wait for what comes of it.</summary>
    public void Signal(int signal)
    {
        if (SendSignal(_process!.Id, signal) != 0)
        {
            throw new InvalidOperationException($"The gateway could not be sent signal {signal}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    /// <summary>SIGTERM, and waits for the graceful end; gives the exit code.</summary>
    public async Task<int> StopAsync()
    {
        Signal(15);
        await _process!.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>Terminates all sandboxes over the API, ends the process in order and removes the data.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (_process.HasExited && _url is not null)
            {
                Set("KERNEL_GATEWAY_FAULTS", null); // Whatever a test broke, the last start must tidy up.
                await StartAsync();
            }

            if (!_process.HasExited)
            {
                using var http = Http();
                await using var client = Client();
                await foreach (var sandbox in Sandbox.ListAsync(client))
                {
                    using var _ = await http.DeleteAsync($"/api/v1/sandboxes/{sandbox.Id}?graceSeconds=0");
                }

                // Not killed: it may be in the middle of a trial container, which only it can take away.
                try
                {
                    await StopAsync();
                }
                finally
                {
                    _process.Kill();
                }
            }

            _process.Dispose();
            _process = null;
        }

        Directory.Delete(DataFolder, recursive: true);
    }

    private static string Variable(string key) => key.Replace(":", "__", StringComparison.Ordinal);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}
