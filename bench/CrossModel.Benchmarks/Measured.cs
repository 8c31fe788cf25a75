namespace CrossModel.Benchmarks;

/// <summary>What one operation of a subject took.</summary>
/// <param name="Bytes">Allocated.</param>
internal sealed record Measured(string Name, double Bytes, double Nanoseconds);

internal static class Measure
{
    private const int Warm = 200, Counted = 1000;

    /// <summary>On this thread alone.</summary>
    /// <param name="operations">That one call of <paramref name="run"/> stands for.</param>
    public static Measured Of(string name, int operations, Action run)
    {
        for (var i = 0; i < Warm; i++) run();
        // The lowest of three: something else may have grown meanwhile.
        var (bytes, time) = (double.MaxValue, double.MaxValue);
        for (var round = 0; round < 3; round++)
        {
            var begun = TimeProvider.System.GetTimestamp();
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < Counted; i++) run();
            var after = GC.GetAllocatedBytesForCurrentThread();
            bytes = Math.Min(bytes, after - before);
            time = Math.Min(time, TimeProvider.System.GetElapsedTime(begun).TotalNanoseconds);
        }
        return new Measured(name, bytes / Counted / operations, time / Counted / operations);
    }

    /// <summary>On all threads of the process.</summary>
    public static async Task<Measured> OfAsync(string name, int operations, int rounds, Func<Task> run)
    {
        for (var i = 0; i < rounds; i++) await run();
        var (bytes, time) = (double.MaxValue, double.MaxValue);
        for (var round = 0; round < 3; round++)
        {
            var begun = TimeProvider.System.GetTimestamp();
            var before = GC.GetTotalAllocatedBytes(precise: true);
            for (var i = 0; i < rounds; i++) await run();
            bytes = Math.Min(bytes, GC.GetTotalAllocatedBytes(precise: true) - before);
            time = Math.Min(time, TimeProvider.System.GetElapsedTime(begun).TotalNanoseconds);
        }
        return new Measured(name, bytes / rounds / operations, time / rounds / operations);
    }
}
