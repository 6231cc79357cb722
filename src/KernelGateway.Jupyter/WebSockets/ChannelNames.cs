namespace KernelGateway.Jupyter.WebSockets;

/// <summary>How a Jupyter Server spells the channels.</summary>
internal static class ChannelNames
{
    public static string Of(KernelChannel channel) => channel switch
    {
        KernelChannel.Shell => "shell",
        KernelChannel.Control => "control",
        KernelChannel.Stdin => "stdin",
        KernelChannel.Iopub => "iopub",
        _ => throw new ArgumentOutOfRangeException(nameof(channel), channel, "A Jupyter Server has shell, control, stdin and iopub."),
    };

    public static bool TryRead(ReadOnlySpan<byte> name, out KernelChannel channel)
    {
        channel = KernelChannel.Iopub;
        if (name.SequenceEqual("iopub"u8))
        {
            return true;
        }

        channel = name.SequenceEqual("shell"u8) ? KernelChannel.Shell : name.SequenceEqual("control"u8) ? KernelChannel.Control : KernelChannel.Stdin;
        return channel != KernelChannel.Stdin || name.SequenceEqual("stdin"u8);
    }
}
