namespace KernelGateway.Core.Tests.KernelLogs;

/// <summary>What looks at the user's objects, and must not believe them.</summary>
public sealed class LauncherKernelCodeTests
{
    private const string Hostile = """
        class Meta(type):
            def __getattribute__(cls, name):
                if name in ("__name__", "__qualname__", "__module__"):
                    raise SystemExit("no name")
                return super().__getattribute__(name)
        class Rude(metaclass=Meta):
            def __len__(self):
                raise SystemExit("no length")
            def __reduce_ex__(self, protocol):
                raise RuntimeError("no pickle")
        class Module:
            def __eq__(self, other):
                raise ValueError("no module")
        Nameless = type("Nameless", (), {"__module__": Module()})
        class Name(str):
            def isidentifier(self):
                raise ValueError("no name")
            startswith = isidentifier
        """;

    [Test]
    public Task A_class_that_does_not_say_its_name_loses_no_variable_but_its_own() => LauncherCode.RunAsync(Hostile + """

        import sys
        if not __import__("os").path.isdir("/usr/lib/python3/dist-packages/dill"):
            raise SystemExit("python3-dill is missing")
        from kernel_snapshot import load, save
        space = {"a": 1, "rude": Rude(), "nameless": Nameless(), Name("n"): 2, "z": [3]}
        said = save(space, {}, FOLDER + "/s", FOLDER + "/b", 1 << 20, 1 << 20, 100)
        assert {"a", "z"} <= {one["name"] for one in said["kept"]}, said
        assert "rude" in [one["name"] for one in said["left"]], said
        again = {}
        load(again, FOLDER + "/s", FOLDER + "/b")
        assert (again["a"], again["z"]) == (1, [3]), again
        """);

    [Test]
    public Task Variables_are_listed_whatever_their_classes_say() => LauncherCode.RunAsync(Hostile + """

        from kernel_types import error_content, type_name
        assert type_name(Rude()).endswith("Rude") and type_name(Nameless()) == "?" and type_name(1) == "int"
        from kernel_variables import answer
        class Shell:
            user_ns, user_ns_hidden = {"a": 1, "nameless": Nameless(), Name("n"): 2}, {}
        listed = answer(Shell, {"list": {"limit": 10}})
        assert [one["name"] for one in listed["variables"]] == ["a", "nameless"], listed
        class Mute(Exception):
            def __str__(self):
                raise ValueError("no words")
        assert error_content(Mute())["ename"] == "Mute" and len(error_content(ValueError("x" * 5000))["evalue"]) == 1000
        """);
}
