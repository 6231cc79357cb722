namespace KernelGateway.Benchmarks;

/// <summary>Measured values of one kind.</summary>
internal sealed class Samples
{
    private readonly List<double> _values = [];

    public int Count => _values.Count;

    public double Median => Quantile(0.5);

    /// <summary>What it takes when others leave the machine alone.</summary>
    public double P10 => Quantile(0.1);

    public double P99 => Quantile(0.99);

    public void Add(double value) => _values.Add(value);

    private double Quantile(double share)
    {
        var sorted = _values.Order().ToList();
        var at = share * (sorted.Count - 1);
        var low = (int)Math.Floor(at);
        var high = Math.Min(low + 1, sorted.Count - 1);
        return sorted[low] + ((at - low) * (sorted[high] - sorted[low]));
    }
}
