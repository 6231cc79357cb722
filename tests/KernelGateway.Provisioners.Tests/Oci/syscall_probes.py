"""Runs in a sandbox: calls what untrusted code must not, and some of what it must, and prints how each call ends.

One line a probe, "name = outcome": "allowed", the name of the error, or the signal that ended the child which
tried. Only the numbers of x86-64 are known here. Calls get arguments that do nothing, should they be let through.
"""
import ctypes
import errno
import mmap
import os
import signal

LIBC = ctypes.CDLL(None, use_errno=True)
WORD = (1 << 64) - 1
HIGH = 1 << 32
SCRATCH = ctypes.create_string_buffer(4096)
BUFFER = ctypes.addressof(SCRATCH)
HERE = -100

# name, number, arguments
CALLS = [
    # other people's memory, processes and kernels
    ("bpf", 321, 0, BUFFER, 64), ("perf_event_open", 298, BUFFER, 0, -1, -1, 0), ("userfaultfd", 323, 0),
    ("process_vm_readv", 310, os.getpid(), BUFFER, 0, BUFFER, 0, 0), ("process_vm_writev", 311, os.getpid(), BUFFER, 0, BUFFER, 0, 0),
    ("process_madvise", 440, -1, BUFFER, 0, 0, 0), ("process_mrelease", 448, -1, 0), ("pidfd_getfd", 438, -1, 0, 0),
    ("pidfd_open", 434, os.getpid(), 0), ("kcmp", 312, os.getpid(), os.getpid(), 0, 0, 0),
    ("move_pages", 279, 0, 0, 0, 0, 0, 0), ("mbind", 237, 0, 0, 0, 0, 0, 0), ("migrate_pages", 256, 0, 0, 0, 0),
    ("get_mempolicy", 239, 0, 0, 0, 0, 0), ("set_mempolicy", 238, 0, 0, 0),
    # keys
    ("keyctl", 250, 0, -3, 0), ("add_key", 248, b"user", b"x", b"y", 1, -3), ("request_key", 249, b"user", b"x", 0, 0),
    # mounts and namespaces
    ("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0), ("umount2", 166, b"/tmp", 0), ("unshare user", 272, 0x10000000), ("unshare mount", 272, 0x20000),
    ("setns", 308, 0, 0), ("pivot_root", 155, b"/", b"/"), ("chroot", 161, b"/tmp"), ("open_tree", 428, HERE, b"/", 1), ("fsopen", 430, b"tmpfs", 0),
    ("fsconfig", 431, -1, 0, 0, 0, 0), ("fsmount", 432, -1, 0, 0), ("fspick", 433, HERE, b"/", 0), ("move_mount", 429, -1, b"", -1, b"", 0),
    ("mount_setattr", 442, HERE, b"/", 0, BUFFER, 32), ("statmount", 457, BUFFER, BUFFER, 64, 0), ("listmount", 458, BUFFER, BUFFER, 1, 0),
    # the machine
    ("kexec_load", 246, 0, 0, 0, 0), ("kexec_file_load", 320, -1, -1, 0, 0, 0), ("init_module", 175, 0, 0, b""), ("finit_module", 313, -1, b"", 0),
    ("delete_module", 176, b"x", 0), ("swapon", 167, b"/x", 0), ("swapoff", 168, b"/x"), ("reboot", 169, 0, 0, 0, 0), ("syslog", 103, 3, BUFFER, 10),
    ("acct", 163, 0), ("iopl", 172, 3), ("ioperm", 173, 0, 1, 1), ("sethostname", 170, b"x", 1), ("setdomainname", 171, b"x", 1), ("vhangup", 153),
    ("settimeofday", 164, 0, 0), ("clock_settime", 227, 0, BUFFER), ("clock_adjtime", 305, 0, BUFFER), ("adjtimex", 159, BUFFER),
    ("quotactl", 179, 0, 0, 0, 0), ("quotactl_fd", 443, -1, 0, 0, 0), ("lookup_dcookie", 212, 0, BUFFER, 1), ("nfsservctl", 180, 0, 0, 0),
    ("uselib", 134, b"/x"), ("modify_ldt", 154, 0, BUFFER, 16), ("personality no randomize", 135, 0x40000), ("personality query", 135, 0xFFFFFFFF),
    # files by other ways than their names
    ("open_by_handle_at", 304, HERE, BUFFER, 0), ("name_to_handle_at", 303, HERE, b"/", BUFFER, BUFFER, 0), ("fanotify_init", 300, 0, 0),
    ("fanotify_mark", 301, -1, 0, 0, HERE, b"/"), ("mknod device", 133, b"/tmp/mem", 0o20666, 0x101), ("mknodat device", 259, HERE, b"/tmp/mem", 0o60666, 0x101),
    ("memfd_secret", 447, 0), ("memfd_create", 319, b"x", 0), ("landlock_create_ruleset", 444, 0, 0, 1),
    # kernel surfaces with a history
    ("io_uring_setup", 425, 1, BUFFER), ("io_uring_enter", 426, -1, 0, 0, 0, 0, 0), ("io_uring_register", 427, -1, 0, 0, 0),
    ("io_setup", 206, 1, BUFFER), ("vmsplice", 278, -1, BUFFER, 0, 0), ("splice", 275, -1, 0, -1, 0, 0, 0), ("tee", 276, -1, -1, 0, 0),
    ("clone3", 435, BUFFER, 64), ("remap_file_pages", 216, 0, 0, 0, 0, 0), ("mq_open", 240, b"x", 0o100, 0o600, 0), ("msgget", 68, 0, 0o1000),
    ("ioprio_set", 251, 1, 0, 0), ("sync", 162), ("setgroups", 116, 0, 0), ("seccomp query", 317, 2, 0, BUFFER), ("number 9999", 9999),
    # what libraries cannot do without
    ("futex wake", 202, BUFFER, 1, 0, 0, 0, 0), ("sched_setscheduler", 144, 0, 0, BUFFER), ("openat2", 437, HERE, b"/none", BUFFER, 24), ("getrandom", 318, BUFFER, 8, 0),
]

# name, family, type, protocol
SOCKETS = [
    ("unix", 1, 1, 0), ("inet", 2, 1, 0), ("inet raw", 2, 3, 1), ("inet6", 10, 2, 0), ("netlink route", 16, 3, 0), ("netlink sock_diag", 16, 3, 4),
    ("netlink audit", 16, 3, 9), ("netlink netfilter", 16, 3, 12), ("packet", 17, 3, 3), ("alg", 38, 5, 0), ("vsock", 40, 1, 0), ("xdp", 44, 3, 0),
    ("bluetooth", 31, 3, 1), ("can", 29, 3, 1), ("tipc", 30, 5, 0), ("rds", 21, 5, 0), ("kcm", 41, 5, 0), ("smc", 43, 1, 0), ("key", 15, 3, 2),
    ("x25", 9, 5, 0), ("qipcrtr", 42, 2, 0), ("mctp", 45, 2, 0),
    # The kernel takes the low half of each of these; a filter that compares otherwise can be walked round.
    ("unix, high bit", 1 | HIGH, 1, 0), ("packet, high bit", 17 | HIGH, 3, 3), ("alg, high bit", 38 | HIGH, 5, 0), ("vsock, high bit", 40 | HIGH, 1, 0),
    ("xdp, high bit", 44 | HIGH, 3, 0), ("netlink, high bit of family", 16 | HIGH, 3, 12), ("netlink netfilter, high bit of protocol", 16, 3, 12 | HIGH),
    ("netlink route, high bit of protocol", 16, 3, HIGH), ("alg, top bit", 38 | 1 << 63, 5, 0),
]

TERMINAL = [
    ("TIOCSTI", 0x5412), ("TIOCSTI, high bit", 0x5412 | HIGH), ("TIOCLINUX", 0x541C), ("TIOCLINUX, high bit", 0x541C | HIGH),
    ("TIOCGWINSZ", 0x5413), ("FIONREAD", 0x541B), ("TCGETS", 0x5401),
]

PRCTL = [
    ("PR_SET_DUMPABLE", 4, 1), ("PR_SET_NAME", 15, BUFFER), ("PR_SET_PTRACER", 0x59616D61, -1), ("PR_SET_MM", 35, 1), ("PR_CAPBSET_DROP", 24, 0),
    ("PR_SET_NO_NEW_PRIVS off", 38, 0), ("PR_SET_SECCOMP unknown mode", 22, 5), ("PR_SET_MM, high bit", 35 | HIGH, 1),
]


def outcome(number, *arguments):
    ctypes.set_errno(0)
    words = [ctypes.c_ulong(a & WORD) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words)
    error = ctypes.get_errno()
    if result == -1:
        return errno.errorcode.get(error, str(error)), None
    return "allowed", result


def report(name, result):
    print(name, "=", result, flush=True)


def in_child(action):
    """How a child ends that tries something; "allowed" when the action says so."""
    pid = os.fork()
    if pid == 0:
        try:
            code = 7 if action() else 8
        except BaseException:
            code = 9
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return {7: "allowed", 8: "refused"}.get(os.WEXITSTATUS(status), "exit %d" % os.WEXITSTATUS(status))


def machine_code(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def main():
    for name, number, *arguments in CALLS:
        report(name, outcome(number, *arguments)[0])
    for name, *arguments in SOCKETS:
        result, descriptor = outcome(41, *arguments)
        if descriptor is not None:
            os.close(descriptor)
        report("socket " + name, result)
    terminal = os.openpty()[1]
    for name, command in TERMINAL:
        report("ioctl " + name, outcome(16, terminal, command, BUFFER)[0])
    for name, *arguments in PRCTL:
        report("prctl " + name, outcome(157, *arguments, 0, 0, 0)[0])
    report("ptrace traceme", in_child(lambda: outcome(101, 0, 0, 0, 0)[0] == "allowed"))
    report("ptrace attach to pid 1", outcome(101, 16, 1, 0, 0)[0])
    for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("pid", 0x20000000), ("net", 0x40000000)):
        report("clone new " + name + " namespace", in_child(lambda: outcome(56, flag | 17, 0, 0, 0, 0)[0] == "allowed"))
    # mov eax, 20 (getpid of the 32-bit interface); int 0x80; ret
    report("int 0x80", in_child(lambda: machine_code(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3") > 0))
    # mov eax, 359 (socket); mov ebx, 38 (alg); mov ecx, 5; xor edx, edx; int 0x80; ret, with rbx kept
    report("int 0x80 socket alg", in_child(lambda: machine_code(
        b"\x53\xb8\x67\x01\x00\x00\xbb\x26\x00\x00\x00\xb9\x05\x00\x00\x00\x31\xd2\xcd\x80\x5b\xc3") > 0))
    report("x32 getpid", in_child(lambda: outcome(0x40000000 | 39)[0] == "allowed"))


if __name__ == "__main__":
    main()
