using System.Text.Json.Serialization;

namespace KernelGateway.Contracts.Executions;

/// <summary>What is done to end a run, from a request to force.</summary>
[JsonConverter(typeof(CamelCaseEnumConverter<EscalationStep>))]
public enum EscalationStep
{
    /// <summary>The kernel was interrupted, as Ctrl-C does; a program can handle that and go on.</summary>
    Interrupt,

    /// <summary>The processes that the kernel started were asked to end (SIGTERM).</summary>
    TerminateChildren,

    /// <summary>The kernel was killed (SIGKILL). A restart makes a new one.</summary>
    KillKernel,

    /// <summary>The kernel was not seen to end, and its whole sandbox was ended.</summary>
    EndSandbox,
}
