using System.Diagnostics;
using KernelGateway.Client;

namespace KernelGateway.Abuse.Tests.Support;

/// <summary>Runs <c>1 + 1</c> in the neighbour's sandbox again and again while an attack goes on.</summary>
internal sealed class NeighbourWatch
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Sandbox _neighbour;
    private readonly Task<List<TimeSpan>> _answers;
    private volatile bool _over;

    public NeighbourWatch(Sandbox neighbour)
    {
        _neighbour = neighbour;
        _answers = WatchAsync();
    }

    /// <summary>Ends the watch; gives how long each answer took, the last of them after the attack.</summary>
    public async Task<IReadOnlyList<TimeSpan>> EndAsync()
    {
        _over = true;
        var answers = await _answers;
        answers.Add(await AskAsync());
        return answers;
    }

    private async Task<List<TimeSpan>> WatchAsync()
    {
        var answers = new List<TimeSpan>();
        do
        {
            answers.Add(await AskAsync());
        }
        while (!_over);
        return answers;
    }

    private async Task<TimeSpan> AskAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        var began = Stopwatch.GetTimestamp();
        (await _neighbour.RunCodeAsync("1 + 1", null, deadline.Token)).Text.Should().Be("2", "the neighbour must not notice an attack");
        return Stopwatch.GetElapsedTime(began);
    }
}
