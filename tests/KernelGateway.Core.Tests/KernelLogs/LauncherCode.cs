using System.Diagnostics;
using KernelGateway.Core.Tests.Support;

namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>Runs Python beside the launcher's modules, as they are found where they run: for what no request of a gateway can bring about at will.</summary>
internal static class LauncherCode
{
    /// <summary>Runs a script that can import the launcher's modules and write to the folder <c>FOLDER</c>; it fails by raising.</summary>
    public static async Task RunAsync(string script)
    {
        Requires.Kernel();
        using var folder = new TemporaryFolder();
        var start = new ProcessStartInfo(Requires.Python, ["-I", "-B", "-c", "import sys; LAUNCHER, FOLDER = sys.argv[1:]; sys.path.insert(0, LAUNCHER)\n" + script, Repository.Launcher, folder.Path])
        {
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string errors = await process.StandardError.ReadToEndAsync().WaitAsync(AgentProcess.Patience);
        await process.WaitForExitAsync().WaitAsync(AgentProcess.Patience);
        process.ExitCode.Should().Be(0, "the script found nothing wrong: {0}", errors);
    }
}
