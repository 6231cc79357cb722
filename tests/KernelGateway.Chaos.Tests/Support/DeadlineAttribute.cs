using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using NUnit.Framework.Internal.Commands;

namespace KernelGateway.Chaos.Tests.Support;

/// <summary>
/// How long a test may take, whatever it waits for. When the time is over its gateways are killed, so that whatever waits for
/// them fails and the test tidies up after itself; a test that does not even end then is left behind, and the others go on.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class DeadlineAttribute(int seconds) : Attribute, IWrapTestMethod
{
    private static readonly TimeSpan TidyUp = TimeSpan.FromSeconds(60);

    public TestCommand Wrap(TestCommand command) => new Bounded(command, TimeSpan.FromSeconds(seconds + ChaosSettings.ExtraSeconds));

    private sealed class Bounded(TestCommand inner, TimeSpan limit) : DelegatingTestCommand(inner)
    {
        public override TestResult Execute(TestExecutionContext context)
        {
            var test = Task.Run(() => innerCommand.Execute(context));
            if (Task.WaitAny([test], limit) == 0)
            {
                return test.GetAwaiter().GetResult();
            }

            var logs = ChaosGateway.KillAllOf(context.CurrentTest.Id);
            var tidied = Task.WaitAny([test], TidyUp) == 0;
            var how = !tidied ? "it does not end even now that its gateways are killed"
                : test.IsFaulted ? $"then it ended with {test.Exception.InnerException}"
                : "then it ended";
            throw new AssertionException($"It did not end within {limit.TotalSeconds} s. Its gateways were killed; {how}.\n{string.Join("\n\n", logs)}");
        }
    }
}
