namespace KernelGateway.Provisioners.Remote;

/// <summary>A place on a Jupyter server's machine, as its files and commands need to know it.</summary>
internal sealed record RemotePlace
{
    /// <summary>Its name on that machine: 1 to 48 letters, digits, '-' and '_'. The agent of its commands is found again by it, so it must stay the same and be nobody else's.</summary>
    internal required string Name { get; init; }

    /// <summary>The folder <c>kernel-images/launcher</c> of the gateway, whose code is sent.</summary>
    internal required string LauncherFolder { get; init; }

    /// <summary>The working folder, an absolute path there; also called <c>/workspace</c>, and where relative paths and commands start.</summary>
    internal required string Folder { get; init; }

    /// <summary>Whether files outside of the working folder are given access to as well.</summary>
    internal bool IsWholeMachine { get; init; }

    /// <summary>The folder below which files are given access to. It is trusted: links on it are followed.</summary>
    internal string Root => IsWholeMachine ? "/" : Folder;

    /// <summary>Where the copies of the commands' logs are kept on this host, a folder each.</summary>
    internal required string LogsFolder { get; init; }

    /// <summary>Environment variables of all commands, over those of the server's kernels.</summary>
    internal IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();

    /// <summary>Within what time the utility kernel must have answered; a long call answers that it is in work.</summary>
    internal TimeSpan AnswerDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>An agent of commands that nobody is connected to, and for which none runs, ends after this time.</summary>
    internal TimeSpan AgentIdle { get; init; } = TimeSpan.FromHours(1);
}
