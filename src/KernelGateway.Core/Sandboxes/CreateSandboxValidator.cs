using System.Globalization;
using System.Text.RegularExpressions;
using KernelGateway.Contracts.Sandboxes;
using KernelGateway.Core.Errors;
using KernelGateway.Core.Provisioning;

namespace KernelGateway.Core.Sandboxes;

/// <summary>Checks a create request against the configuration and fills in the defaults.</summary>
internal static partial class CreateSandboxValidator
{
    private const int MaxVariables = 256;
    private const int MaxVariableBytes = 128 << 10;
    private const int MaxTags = 64;

    public static SandboxRecord ToRecord(CreateSandboxRequest request, string owner, string? idempotencyKey, SandboxOptions options, DateTimeOffset now) => new()
    {
        Id = Guid.NewGuid().ToString("N"),
        Owner = owner,
        Name = Name(request.Name),
        Variant = VariantName.Normalize(request.Variant ?? options.DefaultVariant),
        Environment = request.Environment ?? options.DefaultEnvironment,
        State = SandboxState.Starting,
        CreatedAt = now,
        TimeoutSeconds = Seconds(request.TimeoutSeconds, options.DefaultTimeoutSeconds, "timeoutSeconds", options),
        IdleTimeoutSeconds = Seconds(request.IdleTimeoutSeconds, options.DefaultIdleTimeoutSeconds, "idleTimeoutSeconds", options),
        LifetimeSeconds = Seconds(request.LifetimeSeconds, options.DefaultLifetimeSeconds, "lifetimeSeconds", options),
        Limits = new ResourceLimits(
            Cpu(request.Cpu ?? options.DefaultCpu, options),
            MemoryBytes(request.MemoryMb ?? options.DefaultMemoryMb, options),
            Pids(request.Pids ?? options.DefaultPids, options))
        {
            DiskBytes = DiskMb(request, options) << 20,
            DiskInodes = DiskInodes(request, options),
        },
        Variables = Variables(request.Env),
        Tags = Tags(request.Tags),
        Image = request.Image,
        IdempotencyKey = idempotencyKey,
        AutoResume = request.AutoResume ?? false,
    };

    public static double Cpu(double cores, SandboxOptions options) => Between(cores, 0.05, options.MaxCpu, "cpu", "cores");

    public static long MemoryBytes(long mebibytes, SandboxOptions options) => (long)Between(mebibytes, 64, options.MaxMemoryMb, "memoryMb", "MiB") << 20;

    public static int Pids(int most, SandboxOptions options) => (int)Between(most, 16, options.MaxPids, "pids", "processes and threads");

    /// <summary>Checks a time in seconds against the configured maximum.</summary>
    public static double Seconds(double? value, double fallback, string field, SandboxOptions options)
    {
        var seconds = value ?? fallback;
        return double.IsFinite(seconds) && seconds >= 0 && seconds <= options.MaxSeconds
            ? seconds
            : throw Invalid(field, $"must be between 0 (none) and {Number(options.MaxSeconds)} seconds, but is {Number(seconds)}");
    }

    /// <summary>Checks a client's key against doing a thing twice.</summary>
    public static string? IdempotencyKey(string? key) =>
        key is null || (key.Length is > 0 and <= 128 && key.All(c => c is > ' ' and <= '~'))
            ? key
            : throw Invalid("idempotencyKey", "must be 1 to 128 printable ASCII characters without spaces");

    private static long DiskMb(CreateSandboxRequest request, SandboxOptions options) =>
        (long)Between(request.DiskMb ?? options.DefaultDiskMb, ResourceLimits.LeastDiskBytes >> 20, options.MaxDiskMb, "diskMb", "MiB");

    /// <summary>A file takes at least a block, so a disk cannot hold more of them than that.</summary>
    private static long DiskInodes(CreateSandboxRequest request, SandboxOptions options)
    {
        const long UsualBytesPerInode = 16 << 10;
        var bytes = DiskMb(request, options) << 20;
        var most = Math.Min(options.MaxDiskInodes, bytes / ResourceLimits.LeastBytesPerInode);
        return (long)Between(request.DiskInodes ?? Math.Min(options.DefaultDiskInodes, bytes / UsualBytesPerInode),
            ResourceLimits.LeastDiskInodes, most, "diskInodes", $"files and folders on a disk of {bytes >> 20} MiB");
    }

    private static double Between(double value, double least, double most, string field, string unit) =>
        double.IsFinite(value) && value >= least && value <= most
            ? value
            : throw Invalid(field, $"must be between {Number(least)} and {Number(most)} {unit}, but is {Number(value)}");

    /// <summary>Checks a name, or makes one up.</summary>
    public static string Name(string? name)
    {
        if (name is null)
        {
            return SandboxName.Generate();
        }

        return name.Length is > 0 and <= 64 && !name.Any(char.IsControl) && name.Trim().Length == name.Length
            ? name
            : throw Invalid("name", "must be 1 to 64 characters, without control characters and without spaces at its ends");
    }

    /// <summary>Checks environment variables.</summary>
    public static Dictionary<string, string> Variables(IReadOnlyDictionary<string, string>? variables)
    {
        if (variables is null)
        {
            return new Dictionary<string, string>();
        }

        if (variables.Count > MaxVariables)
        {
            throw Invalid("env", $"may hold at most {MaxVariables} variables, but holds {variables.Count}");
        }

        var bytes = 0L;
        foreach (var (name, value) in variables)
        {
            if (name.Length > 256 || !VariablePattern().IsMatch(name))
            {
                throw Invalid("env", $"has a variable name that does not match {VariablePattern()}: '{(name.Length > 64 ? name[..64] : name)}'");
            }

            if (value is null || value.Contains('\0', StringComparison.Ordinal))
            {
                throw Invalid("env", $"has a value for '{name}' that is null or holds a NUL character");
            }

            bytes += name.Length + value.Length;
        }

        return bytes <= MaxVariableBytes
            ? new Dictionary<string, string>(variables)
            : throw Invalid("env", $"may hold at most {MaxVariableBytes} characters together, but holds {bytes}");
    }

    /// <summary>Checks all tags of a sandbox.</summary>
    public static Dictionary<string, string> Tags(IReadOnlyDictionary<string, string>? tags)
    {
        if (tags is null)
        {
            return new Dictionary<string, string>();
        }

        if (tags.Count > MaxTags)
        {
            throw Invalid("tags", $"may hold at most {MaxTags} tags, but holds {tags.Count}");
        }

        foreach (var (key, value) in tags)
        {
            if (key.Length is 0 or > 64 || value is null || value.Length > 256 || key.Concat(value).Any(char.IsControl))
            {
                throw Invalid("tags", $"has a key that is not 1 to 64 characters, or a value over 256, or a control character, at '{(key.Length > 64 ? key[..64] : key)}'");
            }
        }

        return new Dictionary<string, string>(tags);
    }

    private static GatewayException Invalid(string field, string problem) =>
        new(ErrorCode.InvalidArgument, $"'{field}' {problem}.", field);

    private static string Number(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex VariablePattern();
}
