using KernelGateway.Benchmarks;

// Ratios only: what two sides need in one and the same minute, taken in turn. Times alone say more about the machine.
string[] all = ["client", "gateway", "lines", "create", "commands", "noise", "memory"];
var quick = args.Contains("--quick");
var chosen = args.Where(all.Contains).ToHashSet();
if (args.FirstOrDefault(a => a != "--quick" && !all.Contains(a)) is { } unknown)
{
    Console.Error.WriteLine($"Unknown: {unknown}. Use: [--quick] [{string.Join("] [", all)}]");
    return 2;
}

bool Wants(string part) => chosen.Count == 0 || chosen.Contains(part);

var report = new Report();
await using var raw = new RawClient(Repository.Launcher);
await Machine.DescribeAsync(raw);
if (Wants("client"))
{
    await RoundTrips.CompareClientsAsync(raw, KernelKind.Launcher, quick ? 50 : 400, report);
    await RoundTrips.CompareClientsAsync(raw, KernelKind.Plain, quick ? 50 : 400, report);
}

if (Wants("gateway") || Wants("lines") || Wants("create") || Wants("commands") || Wants("noise"))
{
    await using var gateway = await GatewayProcess.StartNewAsync();
    if (Wants("gateway"))
    {
        await RoundTrips.CompareGatewayAsync(raw, gateway, quick ? 50 : 400, report);
    }

    if (Wants("lines"))
    {
        await PrintedLines.CompareAsync(raw, gateway, quick ? 20_000 : 100_000, flush: false, quick ? 2 : 7, report);
        await PrintedLines.CompareAsync(raw, gateway, quick ? 4_000 : 20_000, flush: true, quick ? 2 : 7, report);
    }

    if (Wants("commands"))
    {
        await Commands.CompareAsync(gateway, 50, report);
    }

    if (Wants("create"))
    {
        await Creation.CompareAsync(raw, gateway, quick ? 3 : 12, report);
    }

    if (Wants("noise"))
    {
        await NoisyNeighbour.CompareAsync(gateway, quick ? 200 : 1000, report);
    }
}

if (Wants("memory"))
{
    await Memory.MeasureAsync(report);
}

report.Print();
return 0;
