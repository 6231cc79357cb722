using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using KernelGateway.Provisioners.Containers;

namespace KernelGateway.Provisioners.Tests.Oci;

[Parallelizable(ParallelScope.All)]
public sealed class SeccompProfileTests
{
    private const string Allow = "SCMP_ACT_ALLOW";
    private static readonly JsonObject Profile = SeccompProfile.Load(Architecture.X64);

    [Test]
    public void What_is_not_named_is_refused_with_EPERM()
    {
        ((string?)Profile["defaultAction"]).Should().Be("SCMP_ACT_ERRNO");
        ((int?)Profile["defaultErrnoRet"]).Should().Be(1);
        ActionOf("syscall_of_the_future").Should().Be("SCMP_ACT_ERRNO 1");
    }

    [Test]
    public void Only_the_native_architecture_is_named()
    {
        Profile["architectures"]!.AsArray().Select(name => (string?)name).Should().Equal("SCMP_ARCH_X86_64");
        SeccompProfile.Load(Architecture.Arm64)["architectures"]!.AsArray().Select(name => (string?)name).Should().Equal("SCMP_ARCH_AARCH64");
        ((Action)(() => SeccompProfile.Load(Architecture.Wasm))).Should().Throw<PlatformNotSupportedException>();
    }

    [Test]
    public void A_name_stands_in_one_unconditional_rule_at_most()
    {
        var names = Profile["syscalls"]!.AsArray().Where(rule => rule!["args"] is null)
            .SelectMany(rule => rule!["names"]!.AsArray()).Select(name => (string)name!).ToList();
        names.Should().OnlyHaveUniqueItems();
    }

    [TestCase("bpf"), TestCase("keyctl"), TestCase("add_key"), TestCase("perf_event_open"), TestCase("mount"), TestCase("umount2"), TestCase("unshare")]
    [TestCase("setns"), TestCase("pivot_root"), TestCase("chroot"), TestCase("open_by_handle_at"), TestCase("name_to_handle_at"), TestCase("init_module")]
    [TestCase("kexec_load"), TestCase("reboot"), TestCase("syslog"), TestCase("ptrace"), TestCase("process_vm_readv"), TestCase("process_vm_writev")]
    [TestCase("kcmp"), TestCase("memfd_secret"), TestCase("fanotify_init"), TestCase("io_setup"), TestCase("quotactl"), TestCase("modify_ldt")]
    public void A_dangerous_call_is_forbidden(string name) => ActionOf(name).Should().Be("SCMP_ACT_ERRNO 1");

    [TestCase("clone3"), TestCase("io_uring_setup"), TestCase("userfaultfd"), TestCase("pidfd_getfd"), TestCase("splice"), TestCase("mseal")]
    public void A_call_with_an_older_way_looks_absent(string name) => ActionOf(name).Should().Be("SCMP_ACT_ERRNO 38");

    [TestCase("read"), TestCase("execve"), TestCase("sched_setscheduler"), TestCase("futex"), TestCase("openat2"), TestCase("memfd_create")]
    public void An_everyday_call_is_allowed(string name) => ActionOf(name).Should().Be(Allow);

    [TestCase(1UL, 0UL, true), TestCase(2UL, 0UL, true), TestCase(10UL, 0UL, true), TestCase(16UL, 0UL, true)]
    [TestCase(16UL, 12UL, false), TestCase(16UL, 1UL << 32, false), TestCase(17UL, 0UL, false), TestCase(38UL, 0UL, false), TestCase(40UL, 0UL, false)]
    [TestCase(38UL | (1UL << 32), 0UL, false), TestCase(40UL | (1UL << 32), 0UL, false)]
    public void Only_four_families_of_sockets_exist(ulong family, ulong protocol, bool allowed) =>
        ActionOf("socket", family, 1, protocol).Should().Be(allowed ? Allow : "SCMP_ACT_ERRNO 1");

    [TestCase(0UL, true), TestCase(17UL, true), TestCase(0x10000000UL, false), TestCase(0x00020000UL, false), TestCase(0x40000000UL | 17, false)]
    public void Clone_makes_no_namespaces(ulong flags, bool allowed) =>
        ActionOf("clone", flags).Should().Be(allowed ? Allow : "SCMP_ACT_ERRNO 1");

    [TestCase(0x2000UL, false), TestCase(0x6000UL, false), TestCase(0x1000UL, true), TestCase(0x8000UL, true), TestCase(0UL, true), TestCase(0x21B6UL, false)]
    public void Mknod_makes_no_devices(ulong mode, bool allowed)
    {
        ActionOf("mknod", 0, mode, 0x101).Should().Be(allowed ? Allow : "SCMP_ACT_ERRNO 1");
        ActionOf("mknodat", 0, 0, mode, 0x101).Should().Be(allowed ? Allow : "SCMP_ACT_ERRNO 1");
    }

    [Test]
    public void Ioctl_refuses_two_commands_whatever_stands_in_the_high_half_and_nothing_else()
    {
        var seed = Random.Shared.Next();
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var i = 0; i < 20_000; i++)
        {
            var high = i % 3 == 0 ? 0UL : (ulong)random.NextInt64() << 32;
            var low = i switch
            {
                < 64 => 0x5412u ^ (1u << (i % 32)),
                < 128 => 0x541Cu ^ (1u << (i % 32)),
                _ when i % 5 == 0 => 0x5412u,
                _ when i % 5 == 1 => 0x541Cu,
                _ when i % 5 == 2 => 0x5400u + (uint)random.Next(256),
                _ => (uint)random.NextInt64(),
            };
            var command = high | low;
            ActionOf("ioctl", 0, command).Should().Be(low is 0x5412 or 0x541C ? "SCMP_ACT_ERRNO 1" : Allow, "command {0:x}", command);
        }
    }

    [TestCase(35UL, false), TestCase(0x59616d61UL, false), TestCase(4UL, true), TestCase(15UL, true), TestCase(38UL, true), TestCase(15UL | (1UL << 32), false)]
    public void Prctl_is_allowed_by_value(ulong option, bool allowed) =>
        ActionOf("prctl", option).Should().Be(allowed ? Allow : "SCMP_ACT_ERRNO 1");

    /// <summary>What libseccomp's documented rules give: any matching rule decides, all arguments of a rule must match.</summary>
    private static string ActionOf(string name, params ulong[] arguments)
    {
        foreach (var rule in Profile["syscalls"]!.AsArray())
        {
            if (rule!["names"]!.AsArray().Any(candidate => (string?)candidate == name)
                && (rule["args"]?.AsArray() ?? []).All(argument => Matches(argument!, arguments)))
            {
                return rule["errnoRet"] is { } errno ? $"{(string)rule["action"]!} {(int)errno}" : (string)rule["action"]!;
            }
        }

        return $"{(string)Profile["defaultAction"]!} {(int)Profile["defaultErrnoRet"]!}";
    }

    private static bool Matches(JsonNode argument, ulong[] arguments)
    {
        var actual = arguments[(int)argument["index"]!];
        var value = (ulong)argument["value"]!;
        return (string?)argument["op"] switch
        {
            "SCMP_CMP_EQ" => actual == value,
            "SCMP_CMP_MASKED_EQ" => (actual & value) == (ulong)argument["valueTwo"]!,
            var other => throw new InvalidOperationException($"No rule may use {other}."),
        };
    }
}
