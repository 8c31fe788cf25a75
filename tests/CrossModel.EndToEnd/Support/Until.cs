namespace CrossModel.EndToEnd.Support;

/// <summary>Waits for a condition, at most a while; polling, because the other side is another program's socket.</summary>
internal static class Until
{
    public static async Task TrueAsync(Func<bool> condition, int seconds = 10)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!condition()) await Task.Delay(10, limit.Token);
    }

    public static async Task TrueAsync(Func<Task<bool>> condition, int seconds = 10)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await condition()) await Task.Delay(10, limit.Token);
    }
}
