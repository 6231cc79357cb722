using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Sandboxes;

/// <summary>Where a sandbox is in its life.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<SandboxState>))]
public enum SandboxState
{
    /// <summary>Its place is being made and its kernel started.</summary>
    Starting,

    /// <summary>It can be used.</summary>
    Running,

    /// <summary>It is being ended.</summary>
    Terminating,

    /// <summary>It was ended on purpose; only its journal is left.</summary>
    Terminated,

    /// <summary>It could not be started, or its place died.</summary>
    Failed,

    /// <summary>The gateway came back and did not find it any more.</summary>
    Lost,

    /// <summary>It stands still: nothing in it gets any processor time. Its memory stays in use, its files can be reached.</summary>
    Paused,
}

/// <summary>What a kernel is doing.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<KernelState>))]
public enum KernelState
{
    /// <summary>Started, not ready yet.</summary>
    Starting,

    /// <summary>Ready and waiting.</summary>
    Idle,

    /// <summary>Running code.</summary>
    Busy,

    /// <summary>Alive, but it does not answer: it was stopped, or its code keeps the interpreter to itself. It goes back by itself.</summary>
    Unresponsive,

    /// <summary>Being replaced by a new one.</summary>
    Restarting,

    /// <summary>Its process has ended; restart it to go on.</summary>
    Dead,
}
