using System.ComponentModel.DataAnnotations;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Defaults and maxima of sandboxes; configuration section <c>Gateway:Sandboxes</c>.</summary>
public sealed class SandboxOptions
{
    /// <summary>The variant of a sandbox that names none. Default <c>local</c>.</summary>
    [Required(ErrorMessage = "Gateway:Sandboxes:DefaultVariant must name a variant, for example \"local\".")]
    public string DefaultVariant { get; set; } = "local";

    /// <summary>The environment of a sandbox that names none. Default <c>python-cpu-env</c>.</summary>
    [Required(ErrorMessage = "Gateway:Sandboxes:DefaultEnvironment must name an environment, for example \"python-cpu-env\".")]
    public string DefaultEnvironment { get; set; } = "python-cpu-env";

    /// <summary>Most sandboxes that live at once. Default 200.</summary>
    [Range(1, 100_000, ErrorMessage = "Gateway:Sandboxes:MaxSandboxes must be between 1 and 100000.")]
    public int MaxSandboxes { get; set; } = 200;

    /// <summary>Most sandboxes of one owner that live at once. Default 100.</summary>
    [Range(1, 100_000, ErrorMessage = "Gateway:Sandboxes:MaxSandboxesPerOwner must be between 1 and 100000.")]
    public int MaxSandboxesPerOwner { get; set; } = 100;

    /// <summary>Processor cores of a sandbox that asks for none. Default 1.</summary>
    [Range(0.05, 1024, ErrorMessage = "Gateway:Sandboxes:DefaultCpu must be between 0.05 and 1024.")]
    public double DefaultCpu { get; set; } = 1;

    /// <summary>Most processor cores of a sandbox. Default 4.</summary>
    [Range(0.05, 1024, ErrorMessage = "Gateway:Sandboxes:MaxCpu must be between 0.05 and 1024.")]
    public double MaxCpu { get; set; } = 4;

    /// <summary>Memory of a sandbox that asks for none, MiB. Default 512.</summary>
    [Range(64, 1 << 20, ErrorMessage = "Gateway:Sandboxes:DefaultMemoryMb must be between 64 and 1048576.")]
    public long DefaultMemoryMb { get; set; } = 512;

    /// <summary>Most memory of a sandbox, MiB. Default 8192.</summary>
    [Range(64, 1 << 20, ErrorMessage = "Gateway:Sandboxes:MaxMemoryMb must be between 64 and 1048576.")]
    public long MaxMemoryMb { get; set; } = 8192;

    /// <summary>Processes and threads of a sandbox that asks for none. Default 128.</summary>
    [Range(16, 100_000, ErrorMessage = "Gateway:Sandboxes:DefaultPids must be between 16 and 100000.")]
    public int DefaultPids { get; set; } = 128;

    /// <summary>Most processes and threads of a sandbox. Default 1024.</summary>
    [Range(16, 100_000, ErrorMessage = "Gateway:Sandboxes:MaxPids must be between 16 and 100000.")]
    public int MaxPids { get; set; } = 1024;

    /// <summary>Size of the own disk of a sandbox that asks for none, MiB. Default 1024.</summary>
    [Range(16, 1 << 20, ErrorMessage = "Gateway:Sandboxes:DefaultDiskMb must be between 16 and 1048576.")]
    public long DefaultDiskMb { get; set; } = 1024;

    /// <summary>Largest disk of a sandbox, MiB. Default 10240.</summary>
    [Range(16, 1 << 20, ErrorMessage = "Gateway:Sandboxes:MaxDiskMb must be between 16 and 1048576.")]
    public long MaxDiskMb { get; set; } = 10_240;

    /// <summary>Most files and folders on the disk of a sandbox that does not say how many; small disks have fewer. Default 65536.</summary>
    [Range(256, 100_000_000, ErrorMessage = "Gateway:Sandboxes:DefaultDiskInodes must be between 256 and 100000000.")]
    public long DefaultDiskInodes { get; set; } = 65_536;

    /// <summary>Most files and folders that may be asked for. Default 1000000.</summary>
    [Range(256, 100_000_000, ErrorMessage = "Gateway:Sandboxes:MaxDiskInodes must be between 256 and 100000000.")]
    public long MaxDiskInodes { get; set; } = 1_000_000;

    /// <summary>Time limit of an execution when neither it nor its sandbox names one, seconds; 0: none. Default 0.</summary>
    [Range(0, 604_800, ErrorMessage = "Gateway:Sandboxes:DefaultTimeoutSeconds must be between 0 (none) and 604800.")]
    public double DefaultTimeoutSeconds { get; set; }

    /// <summary>Seconds without use after which a sandbox ends when it names none; 0: never. Default 3600.</summary>
    [Range(0, 31_536_000, ErrorMessage = "Gateway:Sandboxes:DefaultIdleTimeoutSeconds must be between 0 (never) and 31536000.")]
    public double DefaultIdleTimeoutSeconds { get; set; } = 3600;

    /// <summary>Seconds after which a sandbox ends when it names none; 0: never. Default 86400.</summary>
    [Range(0, 31_536_000, ErrorMessage = "Gateway:Sandboxes:DefaultLifetimeSeconds must be between 0 (never) and 31536000.")]
    public double DefaultLifetimeSeconds { get; set; } = 86_400;

    /// <summary>Largest time limit, idle time and lifetime that may be asked for, seconds. Default 604800 (a week).</summary>
    [Range(1, 31_536_000, ErrorMessage = "Gateway:Sandboxes:MaxSeconds must be between 1 and 31536000.")]
    public double MaxSeconds { get; set; } = 604_800;

    /// <summary>Largest source of one execution, bytes of UTF-8. Default 1 MiB.</summary>
    [Range(1024, 64 << 20, ErrorMessage = "Gateway:Sandboxes:MaxCodeBytes must be between 1024 and 67108864.")]
    public int MaxCodeBytes { get; set; } = 1 << 20;

    /// <summary>Most contexts (kernels) of one sandbox. Default 8.</summary>
    [Range(1, 1000, ErrorMessage = "Gateway:Sandboxes:MaxContexts must be between 1 and 1000.")]
    public int MaxContexts { get; set; } = 8;

    /// <summary>Most executions that wait in one context. Default 100.</summary>
    [Range(1, 100_000, ErrorMessage = "Gateway:Sandboxes:MaxQueuedExecutions must be between 1 and 100000.")]
    public int MaxQueuedExecutions { get; set; } = 100;

    /// <summary>Most commands that run at once in one sandbox. Default 16.</summary>
    [Range(1, 64, ErrorMessage = "Gateway:Sandboxes:MaxCommands must be between 1 and 64.")]
    public int MaxCommands { get; set; } = 16;

    /// <summary>How long a command that is past its time limit may go on after SIGTERM, before SIGKILL. Default 2 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00", ErrorMessage = "Gateway:Sandboxes:CommandGrace must be between 00:00:00 and 01:00:00.")]
    public TimeSpan CommandGrace { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Executions remembered per sandbox; of older ones only the events are left. Default 1000.</summary>
    [Range(10, 1_000_000, ErrorMessage = "Gateway:Sandboxes:KeepExecutions must be between 10 and 1000000.")]
    public int KeepExecutions { get; set; } = 1000;

    /// <summary>Most text and data gathered into one execution's result, bytes; the events have it all. Default 4 MiB.</summary>
    [Range(1024, 256 << 20, ErrorMessage = "Gateway:Sandboxes:MaxResultBytes must be between 1024 and 268435456.")]
    public int MaxResultBytes { get; set; } = 4 << 20;

    /// <summary>Most bytes of output kept of one execution; the run goes on, what is over is left out and counted. Default 1 GiB.</summary>
    [Range(1024, 1L << 40, ErrorMessage = "Gateway:Sandboxes:MaxOutputBytes must be between 1024 and 1099511627776.")]
    public long MaxOutputBytes { get; set; } = 1L << 30;

    /// <summary>Most output messages kept of one execution. Default 1000000.</summary>
    [Range(10, 1_000_000_000, ErrorMessage = "Gateway:Sandboxes:MaxOutputMessages must be between 10 and 1000000000.")]
    public long MaxOutputMessages { get; set; } = 1_000_000;

    /// <summary>Longest line of text kept, bytes; its rest is left out. Default 16 MiB.</summary>
    [Range(1024, 1 << 30, ErrorMessage = "Gateway:Sandboxes:MaxLineBytes must be between 1024 and 1073741824.")]
    public long MaxLineBytes { get; set; } = 16 << 20;

    /// <summary>Most updates of displays (update_display_data, clear_output, comm_msg) kept of one execution per second; 0: all. Default 1000.</summary>
    [Range(0, 1_000_000, ErrorMessage = "Gateway:Sandboxes:MaxUpdatesPerSecond must be between 0 (all) and 1000000.")]
    public int MaxUpdatesPerSecond { get; set; } = 1000;

    /// <summary>Most bytes of such updates kept of one execution per second; 0: all. Default 4 MiB.</summary>
    [Range(0, 1L << 40, ErrorMessage = "Gateway:Sandboxes:MaxUpdateBytesPerSecond must be between 0 (all) and 1099511627776.")]
    public long MaxUpdateBytesPerSecond { get; set; } = 4 << 20;

    /// <summary>For how long unused updates are saved up, so that a short burst passes. Default 3 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00", ErrorMessage = "Gateway:Sandboxes:RateWindow must be between 00:00:00.1 and 00:10:00.")]
    public TimeSpan RateWindow { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a kernel may take to become ready. Default 60 s.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a kernel may take to answer a question about variables or code, its turn included. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00", ErrorMessage = "Gateway:Sandboxes:QuestionTimeout must be between 00:00:00.1 and 00:10:00.")]
    public TimeSpan QuestionTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a kernel is asked whether it answers; it is called unresponsive 8 s after the first question it leaves open. 0: never. Default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "1.00:00:00", ErrorMessage = "Gateway:Sandboxes:HeartbeatInterval must be between 00:00:00 (never) and 1.00:00:00.")]
    public TimeSpan HeartbeatInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a run that must end may go on after its interrupt, before the kernel's children get SIGTERM. Default 3 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00", ErrorMessage = "Gateway:Sandboxes:InterruptGrace must be between 00:00:00 and 01:00:00.")]
    public TimeSpan InterruptGrace { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How long it may go on after that, before its kernel is killed. Default 2 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00", ErrorMessage = "Gateway:Sandboxes:ChildrenGrace must be between 00:00:00 and 01:00:00.")]
    public TimeSpan ChildrenGrace { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a killed kernel may take to vanish, before its sandbox is ended. Default 5 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00", ErrorMessage = "Gateway:Sandboxes:KillGrace must be between 00:00:00.1 and 01:00:00.")]
    public TimeSpan KillGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a sandbox's processes may take to end by themselves when it is terminated. Default 2 s.</summary>
    public TimeSpan TerminateGrace { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How often a full journal is tried again. Default 250 ms.</summary>
    public TimeSpan StorageRetry { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How often idle times and lifetimes are looked at. Default 1 s.</summary>
    public TimeSpan ReapInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long an ended sandbox and its events can still be read. Default 1 hour.</summary>
    public TimeSpan KeepEnded { get; set; } = TimeSpan.FromHours(1);
}
