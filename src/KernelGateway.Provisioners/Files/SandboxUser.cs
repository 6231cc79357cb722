using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KernelGateway.Provisioners.Native;

namespace KernelGateway.Provisioners.Files;

/// <summary>Makes single system calls with the rights of a sandbox's user, so that owners, permissions, quotas and read-only mounts are judged by the kernel as for the sandbox itself.</summary>
/// <remarks>
/// For the one call the thread has the user's fsuid and fsgid, no groups and no effective capabilities, and has its own back before
/// anything else runs on it. These are set by raw system calls, for those of the C library change all threads. Nothing between may
/// allocate or call managed code: the runtime might start a thread in there, which would keep the user's rights for ever.
/// </remarks>
internal sealed unsafe partial class SandboxUser
{
    private const uint CapabilityVersion3 = 0x20080522;
    private const int MaxGroups = 1024;

    private readonly uint _uid;
    private readonly bool _switches;

    /// <param name="uid">The user, who has a group of the same number; that of this process for its own rights.</param>
    internal SandboxUser(uint uid)
    {
        _uid = uid;
        _switches = uid != LibC.GetEffectiveUid();
    }

    /// <summary>Makes a call; a pointer goes as its number.</summary>
    /// <returns>What the call gave, or the negative error number.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    internal long Call(nint number, nint a = 0, nint b = 0, nint c = 0, nint d = 0, nint e = 0)
    {
        if (!_switches)
        {
            var plain = Raw(number, a, b, c, d, e);
            return plain < 0 ? -*ErrorNumber() : plain;
        }

        var header = stackalloc uint[2] { CapabilityVersion3, 0 };
        var own = stackalloc uint[6];
        var none = stackalloc uint[6];
        var groups = stackalloc uint[MaxGroups];
        nint getGroups = SystemCall.GetGroups, setGroups = SystemCall.SetGroups, setGid = SystemCall.SetFsGid;
        nint setUid = SystemCall.SetFsUid, capGet = SystemCall.CapGet, capSet = SystemCall.CapSet;
        nint uid = (nint)_uid;
        if (Raw(capGet, (nint)header, (nint)own, 0, 0, 0) != 0)
        {
            return -*ErrorNumber();
        }

        var groupCount = Raw(getGroups, MaxGroups, (nint)groups, 0, 0, 0);
        if (groupCount < 0)
        {
            return -*ErrorNumber();
        }

        // The permitted set stays, so that the effective one can come back. Pairs of effective, permitted, inheritable.
        none[1] = own[1];
        none[2] = own[2];
        none[4] = own[4];
        none[5] = own[5];

        var ready = groupCount == 0 || Raw(setGroups, 0, 0, 0, 0, 0) == 0;
        long result = -1;
        var error = 1;
        if (ready)
        {
            Raw(setGid, uid, 0, 0, 0, 0);
            Raw(setUid, uid, 0, 0, 0, 0);

            // These two calls say nothing about success: asking with an impossible id gives what is in force.
            ready = (uint)Raw(setGid, -1, 0, 0, 0, 0) == _uid && (uint)Raw(setUid, -1, 0, 0, 0, 0) == _uid
                && Raw(capSet, (nint)header, (nint)none, 0, 0, 0) == 0;
            if (ready)
            {
                result = Raw(number, a, b, c, d, e);
                error = *ErrorNumber();
            }

            // Capabilities first: they allow the rest.
            var back = Raw(capSet, (nint)header, (nint)own, 0, 0, 0) == 0;
            Raw(setUid, 0, 0, 0, 0, 0);
            Raw(setGid, 0, 0, 0, 0, 0);
            back &= (uint)Raw(setUid, -1, 0, 0, 0, 0) == 0 && (uint)Raw(setGid, -1, 0, 0, 0, 0) == 0;
            back &= Raw(capSet, (nint)header, (nint)own, 0, 0, 0) == 0;
            back &= groupCount == 0 || Raw(setGroups, (nint)groupCount, (nint)groups, 0, 0, 0) == 0;
            if (!back)
            {
                Environment.FailFast("A thread could not take back the gateway's rights after a call for a sandbox.");
            }
        }

        return result < 0 ? -error : result;
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial long Raw(nint number, nint a, nint b, nint c, nint d, nint e);

    [LibraryImport("libc", EntryPoint = "__errno_location")]
    private static partial int* ErrorNumber();
}
