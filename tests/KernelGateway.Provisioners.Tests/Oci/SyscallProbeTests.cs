using System.Runtime.InteropServices;
using KernelGateway.Provisioners.Tests.Support;

namespace KernelGateway.Provisioners.Tests.Oci;

/// <summary>Tries dangerous system calls in a real sandbox and compares how each ends with a list that was looked over line by line.</summary>
/// <remarks>A line of <c>syscall_probes.golden</c> may name several outcomes with '|', where kernels of hosts differ. To see all differences at once, read the failure.</remarks>
[NonParallelizable]
[CancelAfter(60_000)]
public sealed class SyscallProbeTests
{
    [TestCase("runc"), TestCase("crun")]
    public async Task Every_probe_ends_as_the_list_says(string runtime, CancellationToken cancellationToken)
    {
        Requires.Root();
        Requires.Demand(RuntimeInformation.OSArchitecture == Architecture.X64, "x86-64");
        var here = Path.Combine(Repository.Root, "tests", "KernelGateway.Provisioners.Tests", "Oci");
        var script = Convert.ToBase64String(await File.ReadAllBytesAsync(Path.Combine(here, "syscall_probes.py"), cancellationToken));
        var golden = Parse(await File.ReadAllLinesAsync(Path.Combine(here, "syscall_probes.golden"), cancellationToken));
        golden.Should().HaveCountGreaterThan(130);

        using var folder = new StateFolder();
        var parent = $"/kg-probe-{Environment.ProcessId}";
        var options = OciProvisionerTests.OptionsOf(Path.Combine(folder.Path, "h"));
        options.RuntimePath = runtime;
        options.UidBase += 0x7000;
        options.CgroupParent = parent;
        using var provisioner = OciProvisionerTests.CreateWith(options);
        var ready = await provisioner.CheckAsync(cancellationToken);
        // Only runc must work wherever the tests run.
        if (runtime != "runc" && !ready.Ready)
        {
            HostTraces.RemoveGroups(parent);
            Assert.Ignore(ready.Reason ?? "");
        }

        ready.Reason.Should().BeNull();
        var host = await provisioner.ProvisionAsync(TestKernels.Spec("probe"), cancellationToken);
        string said;
        await using (var kernel = await RunningKernel.LaunchAsync(host, TestKernels.Python("k1"), cancellationToken))
        {
            said = await kernel.RunAsync(
                $"import base64, subprocess; print(subprocess.run(['/usr/bin/python3', '-I', '-c', base64.b64decode('{script}').decode()], capture_output=True, text=True).stdout)",
                cancellationToken);
        }

        await host.TerminateAsync(TimeSpan.Zero, cancellationToken);
        HostTraces.Find(options.StateFolder, parent).Should().BeEmpty();
        HostTraces.RemoveGroups(parent);
        TestContext.Out.WriteLine(said);
        var found = Parse(said.Split('\n'));
        found.Keys.Should().BeEquivalentTo(golden.Keys);
        var differing = found.Where(probe => !golden[probe.Key].Split('|').Contains(probe.Value)).Select(probe => $"{probe.Key} = {probe.Value}, not {golden[probe.Key]}");
        differing.Should().BeEmpty();
    }

    private static Dictionary<string, string> Parse(IEnumerable<string> lines) => lines
        .Where(line => line.Contains(" = ", StringComparison.Ordinal) && !line.StartsWith('#'))
        .Select(line => line.Split(" = ", 2))
        .ToDictionary(parts => parts[0].Trim(), parts => parts[1].Trim());
}
