namespace KernelGateway.Jupyter;

/// <summary>The five sockets of a kernel (Jupyter messaging protocol, "Introduction").</summary>
public enum KernelChannel
{
    /// <summary>Requests that take their turn: code, completion, inspection.</summary>
    Shell,

    /// <summary>What the kernel publishes to everybody: outputs and its status.</summary>
    Iopub,

    /// <summary>The kernel asks for a line of input.</summary>
    Stdin,

    /// <summary>Requests that go before those of the shell: interrupt, shutdown, debugger.</summary>
    Control,

    /// <summary>Echoes what is sent, as long as the kernel's process answers.</summary>
    Heartbeat,
}
