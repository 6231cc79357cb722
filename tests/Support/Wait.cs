namespace KernelGateway.Testing;

/// <summary>Waits for what nobody announces: looks again and again until it is so.</summary>
internal static class Wait
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(50);

    public static Task UntilAsync(Func<bool> met, TimeSpan within, string what, CancellationToken cancellationToken = default) =>
        UntilAsync(() => Task.FromResult(met()), within, what, cancellationToken);

    public static async Task UntilAsync(Func<Task<bool>> met, TimeSpan within, string what, CancellationToken cancellationToken = default)
    {
        using var timer = new PeriodicTimer(Between);
        var began = TimeProvider.System.GetTimestamp();
        while (!await met())
        {
            if (TimeProvider.System.GetElapsedTime(began) > within)
            {
                Assert.Fail($"It did not come true within {within.TotalSeconds} s that {what}.");
            }

            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }
}
