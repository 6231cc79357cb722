namespace KernelGateway.Provisioners.Launcher;

/// <summary>The command line of the agent.</summary>
internal static class LauncherCommand
{
    /// <param name="python">The interpreter.</param>
    /// <param name="launcher">Folder of the launcher's code; this and the following as the agent sees them.</param>
    /// <param name="sockets">Folder of its socket and those of kernels.</param>
    /// <param name="logs">Folder of the kernels' logs.</param>
    /// <param name="tmp">Folder for connection files.</param>
    internal static string[] For(string python, string launcher, string sockets, string logs, string tmp) =>
        [python, "-I", "-S", "-B", $"{launcher}/agent.py", "--launcher", launcher, "--sockets", sockets, "--logs", logs, "--tmp", tmp];
}
