using KernelGateway.Core.Policies;
using Microsoft.Extensions.Options;

namespace KernelGateway.Core.Webhooks;

/// <summary>What webhooks may reach and how patiently; configuration section <c>Gateway:Webhooks</c>.</summary>
public sealed class WebhookOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Gateway:Webhooks";

    /// <summary>The hosts that may be reached, patterns as in <c>allowedHosts</c> of sandboxes. Default empty: every public host, on ports 80 and 443.</summary>
    public IReadOnlyList<string> AllowedHosts { get; set; } = [];

    /// <summary>Networks (CIDR) that may be reached although they are private or this host itself. Default none.</summary>
    public IReadOnlyList<string> AllowedPrivateAddresses { get; set; } = [];

    /// <summary>Whether addresses may begin with <c>http</c>: anybody on the way can read messages then. Default false.</summary>
    public bool AllowHttp { get; set; }

    /// <summary>Most webhooks of one owner. Default 10.</summary>
    public int MaxPerOwner { get; set; } = 10;

    /// <summary>Most messages of one webhook under way at once, each of another sandbox. Default 4.</summary>
    public int MaxConcurrent { get; set; } = 4;

    /// <summary>How long a receiver may take to answer. Default 10 s.</summary>
    public TimeSpan AnswerTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait before a message is sent the second time; doubled each time. Default 1 s.</summary>
    public TimeSpan FirstRetry { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait between two attempts. Default 5 min.</summary>
    public TimeSpan LongestRetry { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How often a message is sent at most. Default 15.</summary>
    public int MaxAttempts { get; set; } = 15;

    /// <summary>How old an event may become before it is given up. Default 1 h, for as long as an ended sandbox can be read.</summary>
    public TimeSpan MaxAge { get; set; } = TimeSpan.FromHours(1);
}

/// <summary>Says of each wrong setting how to put it right; all of them at once.</summary>
public sealed class WebhookOptionsValidator : IValidateOptions<WebhookOptions>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, WebhookOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var wrong = new List<string>();
        void Check(bool right, string setting, string how)
        {
            if (!right)
            {
                wrong.Add($"{WebhookOptions.Section}:{setting} {how}");
            }
        }

        void Between(int value, int least, int most, string setting) => Check(value >= least && value <= most, setting, $"is {value}; give {least} to {most}.");
        void Time(TimeSpan value, TimeSpan most, string setting) =>
            Check(value > TimeSpan.Zero && value <= most, setting, $"is {value}; give more than zero and at most {most}.");

        Between(options.MaxPerOwner, 0, 1000, nameof(options.MaxPerOwner));
        Between(options.MaxConcurrent, 1, 100, nameof(options.MaxConcurrent));
        Between(options.MaxAttempts, 1, 1000, nameof(options.MaxAttempts));
        Time(options.AnswerTimeout, TimeSpan.FromMinutes(5), nameof(options.AnswerTimeout));
        Time(options.FirstRetry, TimeSpan.FromHours(1), nameof(options.FirstRetry));
        Time(options.LongestRetry, TimeSpan.FromDays(1), nameof(options.LongestRetry));
        Time(options.MaxAge, TimeSpan.FromDays(30), nameof(options.MaxAge));
        Check(options.FirstRetry <= options.LongestRetry, nameof(options.FirstRetry), $"is longer than {nameof(options.LongestRetry)}; make either fit the other.");
        foreach (var host in options.AllowedHosts)
        {
            var good = HostRule.TryParse(host, everyHost: false, out _, out var problem);
            Check(good, nameof(options.AllowedHosts), $"has '{host}', which {problem}.");
        }

        foreach (var network in options.AllowedPrivateAddresses)
        {
            Check(System.Net.IPNetwork.TryParse(network, out _), nameof(options.AllowedPrivateAddresses),
                $"has '{network}'; give networks as address/bits, for example 10.1.0.0/16 or 127.0.0.1/32.");
        }

        return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
    }
}
