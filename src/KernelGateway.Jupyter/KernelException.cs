using KernelGateway.Jupyter.Messaging;

namespace KernelGateway.Jupyter;

/// <summary>Something between us and a kernel went wrong. The message is fit to show to a user.</summary>
public class KernelException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">A sentence fit to show.</param>
    /// <param name="inner">What caused it.</param>
    public KernelException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>The kernel, or our connection to it, has ended. <see cref="Exception.InnerException"/> is the first reason, if known.</summary>
public sealed class KernelGoneException : KernelException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">A sentence fit to show.</param>
    /// <param name="inner">The first reason.</param>
    public KernelGoneException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>The kernel answered a request with an error of its own.</summary>
public sealed class KernelErrorException : KernelException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="name">The error's class in the kernel's language.</param>
    /// <param name="value">The error's text.</param>
    public KernelErrorException(string name, string value)
        : base(value.Length == 0 ? $"The kernel answered with an error: {name}." : $"The kernel answered with an error: {name}: {value}")
    {
        Name = name;
        Value = value;
    }

    /// <summary>The error's class in the kernel's language (<c>ename</c>).</summary>
    public string Name { get; }

    /// <summary>The error's text (<c>evalue</c>).</summary>
    public string Value { get; }
}

/// <summary>Bytes that claim to be a Jupyter message are not one.</summary>
public sealed class MalformedMessageException : KernelException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="fault">What is wrong.</param>
    public MalformedMessageException(MessageFault fault)
        : base($"Not a Jupyter message: {fault}.")
    {
        Fault = fault;
    }

    /// <summary>What is wrong.</summary>
    public MessageFault Fault { get; }
}

/// <summary>A connection file or a kernelspec cannot be used. The message names the field and how to fix it.</summary>
public sealed class InvalidKernelFileException : KernelException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which field is wrong, and what would be right.</param>
    /// <param name="inner">What caused it.</param>
    public InvalidKernelFileException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
