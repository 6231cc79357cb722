namespace KernelGateway.Server.Security;

/// <summary>Has the API keys read before the first request, and tells where the admin's key is when it has just been made.</summary>
internal sealed partial class FirstStart(ApiKeys keys, ILogger<FirstStart> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (keys.FirstKeyFile is { } path)
        {
            LogFirstKey(logger, path);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Information, "This is the first start: an admin's API key was made and left in {Path}")]
    private static partial void LogFirstKey(ILogger logger, string path);
}
