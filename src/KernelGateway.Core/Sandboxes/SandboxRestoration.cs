using KernelGateway.Contracts;
using KernelGateway.Core.Environments;
using KernelGateway.Core.Errors;
using Microsoft.Extensions.Logging;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Takes up the sandboxes of an earlier run of the gateway, however that ended, and removes what no record knows.</summary>
internal sealed partial class SandboxRestoration(SandboxTable sandboxes, Variants variants, EnvironmentCatalog environments, ILogger logger)
{
    private const int AtOnce = 8;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var records = sandboxes.Stored();
        // One whose place was never recorded cannot be found again: what was made of it goes.
        var living = records.Where(r => !r.HasEnded && r.Host is not null).Select(r => r.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var provisioner in variants.All)
        {
            foreach (var orphan in await provisioner.RemoveOrphansAsync(living, cancellationToken))
            {
                LogOrphan(logger, orphan, provisioner.Name);
            }
        }

        await Parallel.ForEachAsync(records, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, RestoreAsync);
    }

    private async ValueTask RestoreAsync(SandboxRecord record, CancellationToken cancellationToken)
    {
        EnvironmentDefinition environment;
        try
        {
            environment = environments.Get(record.Environment, variants.Find(record.Variant));
        }
        catch (GatewayException) when (record.HasEnded)
        {
            environment = new EnvironmentDefinition { Name = record.Environment, Title = "", Language = "", DefaultKernel = "", Kernels = new Dictionary<string, EnvironmentKernel>() };
        }

        var sandbox = sandboxes.Restore(record, environment, out var replay);
        if (record.HasEnded)
        {
            sandbox.Journal.Complete();
        }
        else if (variants.Find(record.Variant) is { } provisioner)
        {
            await sandbox.ReattachAsync(provisioner, replay, cancellationToken);
        }
        else
        {
            await sandbox.TerminateAsync(ReasonCodes.Lost, $"Its variant '{record.Variant}' is not available any more.", TimeSpan.Zero);
        }
    }

    [LoggerMessage(LogLevel.Warning, "Removed what was left of sandbox {SandboxId} ({Variant}), which no record knows")]
    private static partial void LogOrphan(ILogger logger, string sandboxId, string variant);
}
