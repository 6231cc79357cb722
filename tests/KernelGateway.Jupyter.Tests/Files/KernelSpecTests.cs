using System.Diagnostics;
using KernelGateway.Jupyter.Tests.Support;
using Newtonsoft.Json.Linq;

namespace KernelGateway.Jupyter.Tests.Files;

[Parallelizable(ParallelScope.All)]
[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
public sealed class KernelSpecTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string> _environment;

    public KernelSpecTests() => _environment = new Dictionary<string, string>
    {
        ["HOME"] = _folder.Of("home"),
        ["PATH"] = "/usr/bin:/bin",
    };

    public void Dispose() => _folder.Dispose();

    [TestCase("")]
    [TestCase("JUPYTER_PREFER_ENV_PATH=1")]
    [TestCase("JUPYTER_PREFER_ENV_PATH=no")]
    [TestCase("JUPYTER_DATA_DIR={0}/data")]
    [TestCase("XDG_DATA_HOME={0}/xdg")]
    [TestCase("PYTHONUSERBASE={0}/base")]
    public async Task Everything_is_found_as_jupyter_client_finds_it(string variable)
    {
        Requires.Module("jupyter_client");
        if (variable.Split('=') is [var name, var value])
        {
            _environment[name] = string.Format(null, value, _folder.Path);
        }

        _environment["JUPYTER_PATH"] = _folder.Of("one/") + ":" + _folder.Of("two");
        _environment["COLOR"] = "red";
        Write("one/kernels/First", """{"argv":["python3","-f","{connection_file}","{resource_dir}/x","{other}","{prefix}"],"display_name":"1"}""");
        Write("two/kernels/first", """{"argv":["hidden"],"display_name":"2"}""");
        Write("two/kernels/r", """
            {"argv":["R","{connection_file}"],"display_name":"R","interrupt_mode":"message",
             "env":{"A":"$COLOR","B":"${COLOR}s $$5 $UNKNOWN ${UNKNOWN} $","C":"$A","D":"${}$1"}}
            """);
        Write("home/.local/share/jupyter/kernels/user", """{"argv":["u"],"display_name":"u"}""");
        Write("home/.ipython/kernels/old", """{"argv":["o"],"display_name":"o"}""");
        Write("data/kernels/data", """{"argv":["d"],"display_name":"d"}""");
        Write("xdg/jupyter/kernels/xdg", """{"argv":["x"],"display_name":"x"}""");
        Write("base/share/jupyter/kernels/base", """{"argv":["b"],"display_name":"b"}""");
        Write("one/kernels/broken", "{");

        var expected = await AskJupyterAsync();
        var paths = JupyterDataPaths.ForEnvironment(_environment, _environment["HOME"], Requires.Python);
        paths.DataFolders.Should().Equal(expected["paths"]!.Values<string>().Distinct());
        paths.KernelFolders.Should().Equal(expected["kernels"]!.Values<string>().Distinct());
        var found = new KernelSpecCatalog(paths).FindAll();
        found.Specs.Keys.Should().BeEquivalentTo(((JObject)expected["specs"]!).Properties().Select(p => p.Name));
        found.Faults.Should().ContainSingle().Which.Path.Should().EndWith("broken/kernel.json");
        foreach (var (key, spec) in found.Specs)
        {
            var theirs = expected["specs"]![key]!;
            spec.ResourceDirectory.Should().Be(theirs["folder"]!.ToString());
            spec.DisplayName.Should().Be(theirs["display"]!.ToString());
            spec.InterruptMode.ToString().Should().BeEquivalentTo(theirs["mode"]!.ToString());
            spec.FormatArgv(_folder.Of("c.json"), python: Requires.Python, prefix: "/usr").Should().Equal(theirs["argv"]!.Values<string>());
            var added = ((JObject)theirs["env"]!).Properties().Select(p => KeyValuePair.Create(p.Name, p.Value.ToString()));
            spec.FormatEnv(_environment).Should().BeEquivalentTo(_environment.Concat(added));
        }
    }

    [Test]
    public void Names_are_looked_up_in_any_case_and_resources_are_listed()
    {
        var folder = Write("one/kernels/Julia-1.9", """{"argv":["julia"],"language":"julia","metadata":{"debugger":true}}""");
        File.WriteAllText(Path.Combine(folder, "logo-64x64.png"), "");
        File.WriteAllText(Path.Combine(folder, "secret.txt"), "");
        var spec = Catalog().Find("JULIA-1.9")!;
        spec.Name.Should().Be("julia-1.9");
        spec.DisplayName.Should().Be("julia-1.9", "there is no other name");
        spec.Resources.Should().Equal(new Dictionary<string, string> { ["logo-64x64.png"] = Path.Combine(folder, "logo-64x64.png") });
        spec.Metadata["debugger"]!.Value<bool>().Should().BeTrue();
        Catalog().Find("nothing").Should().BeNull();
    }

    [Test]
    public void The_native_kernel_needs_no_kernelspec_where_ipykernel_is_installed()
    {
        Directory.CreateDirectory(_folder.Of("venv/lib/python3.11/site-packages"));
        var paths = JupyterDataPaths.ForEnvironment(_environment, _folder.Path, _folder.Of("venv/bin/python"));
        paths.FindNativeKernel().Should().BeNull();
        File.WriteAllText(_folder.Of("venv/lib/python3.11/site-packages/ipykernel_launcher.py"), "");
        paths.FindNativeKernel()!.FormatArgv("/c").Should().Equal(_folder.Of("venv/bin/python"), "-m", "ipykernel_launcher", "-f", "/c");
    }

    [TestCase("[]", "*not a JSON object*")]
    [TestCase("{}", "*argv*")]
    [TestCase("""{"argv":[]}""", "*argv*")]
    [TestCase("""{"argv":"python"}""", "*argv*")]
    [TestCase("""{"argv":["a",1]}""", "*argv*")]
    [TestCase("""{"argv":["a"],"env":[]}""", "*env*")]
    [TestCase("""{"argv":["a"],"env":{"A":1}}""", "*env*")]
    [TestCase("""{"argv":["a"],"interrupt_mode":"shout"}""", "*interrupt_mode*shout*")]
    public void What_is_wrong_with_a_spec_is_said(string json, string expected)
    {
        Write("one/kernels/bad", json);
        Write("one/kernels/good", """{"argv":["a"]}""");
        var found = Catalog().FindAll();
        found.Specs.Keys.Should().Contain("good").And.NotContain("bad");
        found.Faults.Should().ContainSingle().Which.Reason.Should().Match(expected);
    }

    [Test]
    public void A_huge_file_and_a_bad_name_are_reported_and_not_read()
    {
        Write("one/kernels/huge", """{"argv":["a"]}""" + new string(' ', 2 << 20));
        Write("one/kernels/bad name", """{"argv":["a"]}""");
        Catalog().FindAll().Faults.Select(f => Path.GetRelativePath(_folder.Of("one/kernels"), f.Path))
            .Should().BeEquivalentTo("huge/kernel.json", "bad name");
    }

    private KernelSpecCatalog Catalog()
    {
        _environment["JUPYTER_PATH"] = _folder.Of("one");
        return new KernelSpecCatalog(JupyterDataPaths.ForEnvironment(_environment, _environment["HOME"]));
    }

    private string Write(string folder, string kernelJson)
    {
        var path = Directory.CreateDirectory(_folder.Of(folder)).FullName;
        File.WriteAllText(Path.Combine(path, "kernel.json"), kernelJson);
        return path;
    }

    private async Task<JObject> AskJupyterAsync()
    {
        var start = new ProcessStartInfo(Requires.Python) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(TestContext.CurrentContext.TestDirectory, "Files/kernelspecs.py"));
        start.ArgumentList.Add(_folder.Of("c.json"));
        start.Environment.Clear();
        foreach (var (name, value) in _environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(KernelRuns.Patience, TimeProvider.System);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        process.ExitCode.Should().Be(0, "it said: {0}", await errors);
        return JObject.Parse(output);
    }
}
