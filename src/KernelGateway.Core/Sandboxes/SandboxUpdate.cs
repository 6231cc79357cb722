using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Journals;

namespace KernelGateway.Core.Sandboxes;

/// <summary>What a checked update makes of a sandbox.</summary>
/// <param name="Record">The record after it.</param>
/// <param name="Note">What it changes; null: nothing.</param>
internal sealed record SandboxUpdate(SandboxRecord Record, Notes.ChangeNote? Note)
{
    /// <summary>Checks all of a request; what is wrong is told together.</summary>
    /// <param name="request">What shall change.</param>
    /// <param name="now">The record before.</param>
    /// <param name="age">How long ago the sandbox was made.</param>
    /// <param name="options">The maxima.</param>
    /// <exception cref="GatewayException"><see cref="ErrorCode.InvalidArgument"/>, with every field that is wrong.</exception>
    public static SandboxUpdate Of(UpdateSandboxRequest request, SandboxRecord now, TimeSpan age, SandboxOptions options)
    {
        var errors = new FieldErrors();
        var next = now with
        {
            Name = errors.Check(() => request.Name is null ? now.Name : CreateSandboxValidator.Name(request.Name), now.Name),
            Tags = errors.Check(() => Tags(request.Tags, now.Tags), now.Tags),
            TimeoutSeconds = errors.Check(() => CreateSandboxValidator.Seconds(request.TimeoutSeconds, now.TimeoutSeconds, "timeoutSeconds", options), 0),
            IdleTimeoutSeconds = errors.Check(() => CreateSandboxValidator.Seconds(request.IdleTimeoutSeconds, now.IdleTimeoutSeconds, "idleTimeoutSeconds", options), 0),
            LifetimeSeconds = errors.Check(() => Lifetime(request, now, age, options), 0),
            Limits = now.Limits with
            {
                CpuCores = errors.Check(() => request.Cpu is { } cpu ? CreateSandboxValidator.Cpu(cpu, options) : now.Limits.CpuCores, 0),
                MemoryBytes = errors.Check(() => request.MemoryMb is { } memory ? CreateSandboxValidator.MemoryBytes(memory, options) : now.Limits.MemoryBytes, 0),
                Pids = errors.Check(() => request.Pids is { } pids ? CreateSandboxValidator.Pids(pids, options) : now.Limits.Pids, 0),
            },
        };
        errors.ThrowIfAny();

        var note = new Notes.ChangeNote(
            next.Name == now.Name ? null : next.Name,
            next.Tags.Count == now.Tags.Count && !next.Tags.Except(now.Tags).Any() ? null : next.Tags,
            Changed(next.TimeoutSeconds, now.TimeoutSeconds),
            Changed(next.IdleTimeoutSeconds, now.IdleTimeoutSeconds),
            Changed(next.LifetimeSeconds, now.LifetimeSeconds),
            next.Limits == now.Limits ? null : next.Limits.ToContract());
        return new SandboxUpdate(next, note == new Notes.ChangeNote(null, null, null, null, null, null) ? null : note);

        static double? Changed(double next, double now) => next.Equals(now) ? null : next;
    }

    private static double Lifetime(UpdateSandboxRequest request, SandboxRecord now, TimeSpan age, SandboxOptions options)
    {
        if (request.ExpiresInSeconds is { } rest)
        {
            if (request.LifetimeSeconds is not null)
            {
                throw new GatewayException(ErrorCode.InvalidArgument, "'expiresInSeconds' counts from now and 'lifetimeSeconds' from the creation: give one of them.", "expiresInSeconds");
            }

            return CreateSandboxValidator.Seconds(rest, 0, "expiresInSeconds", options) > 0
                ? age.TotalSeconds + rest
                : throw new GatewayException(ErrorCode.InvalidArgument, "'expiresInSeconds' must be more than 0. DELETE ends a sandbox now; 'lifetimeSeconds': 0 lets it live on.", "expiresInSeconds");
        }

        var lifetime = request.LifetimeSeconds is null ? now.LifetimeSeconds : CreateSandboxValidator.Seconds(request.LifetimeSeconds, 0, "lifetimeSeconds", options);
        return request.LifetimeSeconds is null or 0 || lifetime > age.TotalSeconds
            ? lifetime
            : throw new GatewayException(ErrorCode.InvalidArgument, $"'lifetimeSeconds' counts from the creation, which was {(long)age.TotalSeconds} seconds ago. 'expiresInSeconds' counts from now; DELETE ends a sandbox.", "lifetimeSeconds");
    }

    private static IReadOnlyDictionary<string, string> Tags(IReadOnlyDictionary<string, string?>? changes, IReadOnlyDictionary<string, string> now)
    {
        if (changes is null)
        {
            return now;
        }

        var merged = new Dictionary<string, string>(now);
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                merged.Remove(key);
            }
            else
            {
                merged[key] = value;
            }
        }

        return CreateSandboxValidator.Tags(merged);
    }
}
