namespace KernelGateway.Jupyter.Messaging;

/// <summary>Why bytes that claim to be a Jupyter message are not one.</summary>
public enum MessageFault
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>No <c>&lt;IDS|MSG&gt;</c> frame where one must be.</summary>
    NoDelimiter,

    /// <summary>Fewer than the signature and four JSON frames.</summary>
    TooFewFrames,

    /// <summary>The HMAC does not belong to these frames.</summary>
    WrongSignature,

    /// <summary>A header or parent header over <see cref="JupyterMessage.MaxHeaderBytes"/>.</summary>
    HeaderTooLarge,

    /// <summary>The header is not a JSON object with <c>msg_id</c> and <c>msg_type</c> strings.</summary>
    MalformedHeader,

    /// <summary>The parent header is not a JSON object.</summary>
    MalformedParent,

    /// <summary>The metadata is not a JSON object of at most <see cref="JupyterMessage.MaxDepth"/> levels.</summary>
    MalformedMetadata,

    /// <summary>The content is not a JSON object of at most <see cref="JupyterMessage.MaxDepth"/> levels.</summary>
    MalformedContent,

    /// <summary>A WebSocket message whose table of offsets, channel or JSON is not what its protocol says.</summary>
    MalformedFrame,

    /// <summary>The transport cut the message because it was larger than allowed.</summary>
    Oversize,
}
