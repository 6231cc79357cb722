namespace KernelGateway.Core.Files;

/// <summary>The errors of file calls that callers tell apart; numbers as on Linux (errno.h). Other values can occur.</summary>
public enum PosixError
{
    /// <summary>The call succeeded.</summary>
    None = 0,

    /// <summary>Not permitted (EPERM), for example by a filter on system calls.</summary>
    NotPermitted = 1,

    /// <summary>No such file or folder (ENOENT).</summary>
    NotFound = 2,

    /// <summary>Interrupted by a signal (EINTR).</summary>
    Interrupted = 4,

    /// <summary>A device's input or output failed (EIO).</summary>
    InputOutput = 5,

    /// <summary>Nobody at the other end, as when a socket file is opened (ENXIO).</summary>
    NoDevice = 6,

    /// <summary>Try again (EAGAIN): a rename raced with the look-up.</summary>
    TryAgain = 11,

    /// <summary>Out of memory (ENOMEM).</summary>
    OutOfMemory = 12,

    /// <summary>Not permitted by the file's mode (EACCES).</summary>
    AccessDenied = 13,

    /// <summary>The path would leave the folder (EXDEV, from RESOLVE_BENEATH).</summary>
    LeavesFolder = 18,

    /// <summary>A part of the path is not a folder (ENOTDIR).</summary>
    NotAFolder = 20,

    /// <summary>The name is a folder (EISDIR).</summary>
    IsAFolder = 21,

    /// <summary>The system is out of file descriptors (ENFILE).</summary>
    SystemFileTableFull = 23,

    /// <summary>This process is out of file descriptors (EMFILE).</summary>
    TooManyOpenFiles = 24,

    /// <summary>The system lacks the call (ENOSYS).</summary>
    NotImplemented = 38,

    /// <summary>A part of the path is a symbolic link (ELOOP).</summary>
    SymbolicLink = 40,
}
