using System.CommandLine;
using ConsoleReconnect;
using KernelGateway.Client;

var url = new Option<string?>("--url") { Description = "The gateway's address. Default: KERNEL_GATEWAY_URL, else http://127.0.0.1:8080." };
var key = new Option<string?>("--key") { Description = "The API key. Default: KERNEL_GATEWAY_API_KEY, else the key that a gateway on this machine left for local tools." };
var lines = new Option<int>("--lines") { Description = "How many numbered lines the code prints.", DefaultValueFactory = _ => 200 };
var rate = new Option<double>("--rate") { Description = "How many of them a second; 0 for as fast as it can.", DefaultValueFactory = _ => 40 };
var dropAt = new Option<int?>("--drop-at") { Description = "The line after which the connection is cut. Default: after a third." };
var away = new Option<double>("--away") { Description = "Seconds to stay away.", DefaultValueFactory = _ => 2 };
var kill = new Option<bool>("--kill") { Description = "Kill this whole process instead of cutting its connection; go on later with --resume." };
var resume = new Option<bool>("--resume") { Description = "Go on where an earlier, killed process stopped." };
var place = new Option<string>("--place") { Description = "The file that remembers the last number shown.", DefaultValueFactory = _ => Place.DefaultFile };
var variant = new Option<string?>("--variant") { Description = "The variant of the sandbox. Default: the gateway's." };
lines.Validators.Add(result => Check(result.GetValue(lines) is >= 1 and <= 1_000_000, "--lines must be from 1 to 1000000.", result.AddError));
rate.Validators.Add(result => Check(result.GetValue(rate) is >= 0 and <= 100_000, "--rate must be from 0 to 100000.", result.AddError));
away.Validators.Add(result => Check(result.GetValue(away) is >= 0 and <= 3600, "--away must be from 0 to 3600.", result.AddError));
dropAt.Validators.Add(result => Check(result.GetValue(dropAt) is null or >= 1, "--drop-at must be at least 1.", result.AddError));

var root = new RootCommand("Starts a long run in a sandbox, loses its connection in the middle, comes back by the sandbox's id, and proves that every line came exactly once and in order.")
{
    url, key, lines, rate, dropAt, away, kill, resume, place, variant,
};
root.SetAction(async (parsed, cancellationToken) =>
{
    var screen = new Screen();
    try
    {
        var story = new Story(screen, new StorySettings(
            parsed.GetValue(url),
            parsed.GetValue(key) ?? LocalKey.Find(),
            parsed.GetValue(lines),
            parsed.GetValue(rate),
            parsed.GetValue(dropAt) ?? Math.Max(1, parsed.GetValue(lines) / 3),
            TimeSpan.FromSeconds(parsed.GetValue(away)),
            parsed.GetValue(kill),
            parsed.GetValue(variant),
            parsed.GetValue(place)!));
        return await (parsed.GetValue(resume) ? story.ResumeAsync(cancellationToken) : story.TellAsync(cancellationToken)) ? 0 : 1;
    }
    catch (Exception e) when (e is KernelGatewayException or ArgumentException or IOException or UnauthorizedAccessException)
    {
        screen.Problem(e.Message);
        return 2;
    }
    catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
    {
        screen.Problem("Stopped. The code goes on in its sandbox; --resume reads on.");
        return 130;
    }
});
return await root.Parse(args).InvokeAsync();

static void Check(bool good, string otherwise, Action<string> report)
{
    if (!good)
    {
        report(otherwise);
    }
}
