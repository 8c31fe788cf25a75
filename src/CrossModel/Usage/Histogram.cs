namespace CrossModel.Usage;

/// <summary>How often values fell under each of a few bounds, and their sum. Counting takes two interlocked additions and no lock.</summary>
/// <param name="bounds">Upper ends in seconds, rising.</param>
internal sealed class Histogram(double[] bounds)
{
    private readonly long[] _counts = new long[bounds.Length + 1];
    private long _ticks;

    public IReadOnlyList<double> Bounds => bounds;

    /// <summary>Seconds of all values together.</summary>
    public double Sum => TimeSpan.FromTicks(Volatile.Read(ref _ticks)).TotalSeconds;

    public void Add(TimeSpan value)
    {
        var seconds = value.TotalSeconds;
        var place = 0;
        while (place < bounds.Length && seconds > bounds[place]) place++;
        Interlocked.Increment(ref _counts[place]);
        Interlocked.Add(ref _ticks, value.Ticks);
    }

    /// <summary>Values up to each bound, and last of all values: each includes the ones before.</summary>
    public long[] Cumulative()
    {
        var sums = new long[_counts.Length];
        long sum = 0;
        for (var i = 0; i < sums.Length; i++) sums[i] = sum += Volatile.Read(ref _counts[i]);
        return sums;
    }
}
