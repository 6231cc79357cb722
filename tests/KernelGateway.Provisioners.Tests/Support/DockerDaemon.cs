using System.Diagnostics;
using System.Net.Sockets;
using DaemonProcess = System.Diagnostics.Process;

namespace KernelGateway.Provisioners.Tests.Support;

/// <summary>A Docker engine of the tests' own: all of it in one folder, no network of the host touched, ended by its process number.</summary>
/// <remarks>Its images come from the one that tests/run.sh builds once: kernel-images/build.sh python-cpu-env --output /var/tmp/kernel-gateway-tests/images</remarks>
public sealed class DockerDaemon : IAsyncDisposable
{
    /// <summary>What <c>kernel-images/build.sh --docker</c> calls it.</summary>
    public const string Image = "kernel-gateway/python-cpu-env:latest";

    private const string Built = "/var/tmp/kernel-gateway-tests/images";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly string[] Programs = ["/usr/sbin/dockerd", "/usr/bin/dockerd"];

    private readonly string _root;
    private readonly string _repository;
    private DaemonProcess? _process;

    private DockerDaemon(string root, string repository)
    {
        _root = root;
        _repository = repository;
    }

    public string Socket => Path.Combine(_root, "sock");

    public bool HasEnded => _process is not { HasExited: false };

    /// <summary>What it has written.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    private string LogFile => Path.Combine(_root, "log");

    /// <summary>What is missing on this machine to have one; <c>null</c> when nothing is.</summary>
    public static string? Missing() =>
        Environment.UserName != "root" ? "root, for a Docker engine"
        : !Programs.Any(File.Exists) ? "dockerd (apt install docker.io)"
        : !File.Exists(Path.Combine(Built, "python-cpu-env.json")) ? $"{Built}/python-cpu-env.json (kernel-images/build.sh python-cpu-env --output {Built})"
        : null;

    /// <summary>Starts one with the image of the tests in it.</summary>
    public static async Task<DockerDaemon> StartNewAsync(string repository)
    {
        var daemon = new DockerDaemon($"/tmp/kgd-{Guid.NewGuid().ToString("N")[..8]}", repository);
        try
        {
            Directory.CreateDirectory(daemon._root);
            await daemon.StartAsync();
            await RunAsync(Path.Combine(repository, "kernel-images", "build.sh"), ["python-cpu-env", "--output", Built, "--keep", "--docker"], daemon.Socket);
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it, or starts it again with what it had.</summary>
    public async Task StartAsync(bool liveRestore = false)
    {
        string[] arguments =
        [
            "--data-root", Path.Combine(_root, "data"), "--exec-root", Path.Combine(_root, "exec"), "--pidfile", Path.Combine(_root, "pid"), "--host", $"unix://{Socket}",
            "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false", "--bridge=none", "--shutdown-timeout", "3", $"--live-restore={(liveRestore ? "true" : "false")}",
        ];
        // One that was killed leaves its number, and believes itself to run when another process has got it.
        File.Delete(Path.Combine(_root, "pid"));
        var start = new ProcessStartInfo("/bin/sh", ["-c", "out=$1; shift; exec \"$@\" >>\"$out\" 2>&1", "sh", LogFile, Programs.First(File.Exists), .. arguments]);
        _process = DaemonProcess.Start(start)!;
        using var deadline = new CancellationTokenSource(Patience);
        while (!await AnswersAsync(deadline.Token))
        {
            _process.HasExited.Should().BeFalse("dockerd said:\n{0}", Log);
            await Task.Delay(20, deadline.Token);
        }
    }

    /// <summary>SIGTERM: it ends its containers first, unless they are to live on.</summary>
    public async Task StopAsync()
    {
        await RunAsync("/bin/kill", [_process!.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>SIGKILL; its containers know nothing of it.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync().WaitAsync(Patience);
        // Its containerd dies with it. Until somebody has waited for that one, the next engine believes it to live.
        var helper = Path.Combine(_root, "exec", "containerd", "containerd.pid");
        using var deadline = new CancellationTokenSource(Patience);
        while (File.Exists($"/proc/{await File.ReadAllTextAsync(helper, deadline.Token)}/exe"))
        {
            await Task.Delay(5, deadline.Token);
        }

        File.Delete(helper);
    }

    /// <summary>Runs the program <c>docker</c> with this engine; what it printed.</summary>
    public Task<string> DockerAsync(params string[] arguments) => RunAsync("docker", arguments, Socket);

    /// <summary>Builds an image from the text of a Dockerfile, without a network.</summary>
    public async Task BuildAsync(string tag, string dockerfile)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_root, "build"));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "Dockerfile"), dockerfile);
        await DockerAsync("build", "--quiet", "--network", "none", "--tag", tag, folder.FullName);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (_process.HasExited)
            {
                // Its containerd and containers outlive a killed one, and only another one ends them.
                await StartAsync();
            }

            await StopAsync();
        }

        _process?.Dispose();
        // What a killed one has left mounted.
        await RunAsync("/bin/sh", ["-c", "awk -v root=\"$1/\" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo | sort -r | xargs -r umount -l; rm -rf --one-file-system -- \"$1\"", "sh", _root]);
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Socket), cancellationToken);
            await socket.SendAsync("GET /_ping HTTP/1.0\r\n\r\n"u8.ToArray(), cancellationToken);
            var answer = new byte[12];
            return await socket.ReceiveAsync(answer, cancellationToken) > 0 && System.Text.Encoding.ASCII.GetString(answer).EndsWith("200", StringComparison.Ordinal);
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string? socket = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (socket is not null)
        {
            start.Environment["DOCKER_HOST"] = $"unix://{socket}";
        }

        using var process = DaemonProcess.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Patience);
        process.ExitCode.Should().Be(0, "{0} {1} said: {2}{3}", program, string.Join(' ', arguments), await error, output);
        return output.Trim();
    }
}
