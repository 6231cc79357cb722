namespace KernelGateway.Server.Security;

/// <summary>Has the API keys read before the first request, and tells the admin's key when it has just been made.</summary>
internal sealed class FirstStart(ApiKeys keys) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (keys.FirstKey is { } first)
        {
            // To the console and not to the log, which is kept.
            Console.WriteLine($"This is the first start. The admin key, shown only now: {first.Key}");
            Console.WriteLine($"Local tools read it from {first.Path}");
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
