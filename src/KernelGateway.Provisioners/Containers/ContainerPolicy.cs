namespace KernelGateway.Provisioners.Containers;

/// <summary>What the isolation policies of all variants with containers have in common, as data: containers are made from it, and started ones are compared with it.</summary>
internal static class ContainerPolicy
{
    internal const string Workspace = "/workspace";
    internal const string SocketsInside = "/run/kg/s";
    internal const string LogsInside = "/run/kg/log";
    internal const string EgressInside = "/run/kg/net";
    internal const string LauncherInside = "/run/kg/launcher";
    internal const string TmpInside = "/tmp";

    internal const int OomScoreAdjust = 900;
    internal const int Umask = 0x3F; // 077

    /// <summary>What the host's /proc tells about the host, or lets ask of it.</summary>
    internal static readonly string[] MaskedPaths =
    [
        "/proc/acpi", "/proc/asound", "/proc/bus", "/proc/cmdline", "/proc/config.gz", "/proc/crypto", "/proc/devices",
        "/proc/diskstats", "/proc/dma", "/proc/driver", "/proc/execdomains", "/proc/fb", "/proc/fs", "/proc/interrupts",
        "/proc/iomem", "/proc/ioports", "/proc/irq", "/proc/kallsyms", "/proc/kcore", "/proc/key-users", "/proc/keys",
        "/proc/kmsg", "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/locks",
        "/proc/misc", "/proc/modules", "/proc/mtrr", "/proc/pagetypeinfo", "/proc/partitions", "/proc/pressure",
        "/proc/sched_debug", "/proc/schedstat", "/proc/scsi", "/proc/slabinfo", "/proc/softirqs", "/proc/swaps",
        "/proc/sysrq-trigger", "/proc/sysvipc", "/proc/timer_list", "/proc/timer_stats", "/proc/tty", "/proc/vmallocinfo",
        "/proc/zoneinfo", "/sys/firmware", "/sys/devices/virtual/powercap",
    ];

    internal static readonly string[] ReadOnlyPaths = ["/proc/sys"];

    /// <summary>The first processes' environment; kernels get theirs from the agent.</summary>
    internal static IReadOnlyDictionary<string, string> BaseVariables { get; } = new Dictionary<string, string>
    {
        ["PATH"] = "/usr/local/bin:/usr/bin:/bin",
        ["HOME"] = Workspace,
        ["LANG"] = "C.UTF-8",
        ["LC_ALL"] = "C.UTF-8",
        ["TZ"] = "UTC",
        ["USER"] = "kernel",
        ["TMPDIR"] = TmpInside,
    };

    /// <summary>Kernels' environment: settings and caches of libraries go where there is room and no quota of the user's.</summary>
    internal static IReadOnlyDictionary<string, string> KernelVariables { get; } = new Dictionary<string, string>(BaseVariables)
    {
        ["IPYTHONDIR"] = "/tmp/.ipython",
        ["JUPYTER_RUNTIME_DIR"] = "/tmp/.jupyter/runtime",
        ["JUPYTER_DATA_DIR"] = "/tmp/.jupyter/data",
        ["JUPYTER_CONFIG_DIR"] = "/tmp/.jupyter/config",
        ["MPLCONFIGDIR"] = "/tmp/.matplotlib",
        // Libraries count the host's processors and start as many threads, which the quota then stops in turn.
        ["OMP_NUM_THREADS"] = "1",
        ["OPENBLAS_NUM_THREADS"] = "1",
    };

    /// <summary>RLIMIT_NPROC for a limit of the control group, which is to be hit first, also when it is raised later: this one cannot be without CAP_SYS_RESOURCE.</summary>
    internal static ulong ProcessCount(int pids) => Math.Max((ulong)pids * 2, 2048);

    /// <summary>Resource limits of every process: soft, hard.</summary>
    internal static IEnumerable<(string Name, ulong Soft, ulong Hard)> ResourceLimits(long maxFileBytes, int pids) =>
    [
        ("NOFILE", 1024, 1024),
        ("CORE", 0, 0),
        ("FSIZE", (ulong)maxFileBytes, (ulong)maxFileBytes),
        // Counted for the sandbox's own uid; the control group is what stops a fork bomb.
        ("NPROC", ProcessCount(pids), ProcessCount(pids)),
        ("MEMLOCK", 65536, 65536),
        ("MSGQUEUE", 0, 0),
        ("SIGPENDING", 1024, 1024),
        ("STACK", 8UL << 20, 64UL << 20),
        ("NICE", 0, 0),
        ("RTPRIO", 0, 0),
        ("LOCKS", 4096, 4096),
        // No AS: V8 and .NET reserve far more address space than they use.
    ];
}
