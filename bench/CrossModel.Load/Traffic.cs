using System.Globalization;
using System.Text;

namespace CrossModel.Load;

/// <summary>One kind of traffic.</summary>
/// <param name="Behaviour">The stand-in's model name.</param>
/// <param name="Connections">Callers at once, each with one connection.</param>
/// <param name="Requests">A round, all callers together.</param>
/// <param name="BodyBytes">About.</param>
/// <param name="Events">A reply; 0: plain.</param>
internal sealed record Traffic(string Name, string Behaviour, int Connections, int Requests, int BodyBytes, int Events = 0)
{
    /// <summary>One request as bytes. Straight to the stand-in the model is the behaviour itself; at the gateway it is a public id.</summary>
    public byte[] Request(string model, string key, Uri target)
    {
        var content = new StringBuilder("Say in one sentence what the quick brown fox does. ");
        while (content.Length < BodyBytes - 260) content.Append("The quick brown fox jumps over the lazy dog and runs on. \\\"Why?\\\" ");
        var stream = Events > 0 ? ",\"stream\":true" : "";
        var body = $$"""{"model":"{{model}}","messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":"{{content}}"}],"temperature":0.7,"max_tokens":256{{stream}}}""";
        return Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"POST /v1/chat/completions HTTP/1.1\r\nHost: {target.Authority}\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
    }
}

/// <summary>Somewhere that requests are sent to.</summary>
/// <param name="Process">Whose CPU time is counted.</param>
/// <param name="Prefix">Of the models' names.</param>
/// <param name="Spread">Over how many models the calls go; 0: one.</param>
internal sealed record Target(string Name, Child Process, string Prefix, IReadOnlyList<string> Keys, int Spread = 0)
{
    private readonly Dictionary<Traffic, byte[][]> _requests = [];

    /// <summary>The requests of a kind of traffic: one, or as many as keys (at most 2,000) spread over the models.</summary>
    private byte[][] Requests(Traffic traffic)
    {
        if (_requests.TryGetValue(traffic, out var made)) return made;
        var step = Math.Max(1, Keys.Count / 2000);
        made = Spread == 0
            ? [traffic.Request(Prefix + traffic.Behaviour, Keys[0], Process.Address)]
            : [.. Enumerable.Range(0, Math.Min(2000, Keys.Count)).Select(i => traffic.Request(string.Create(CultureInfo.InvariantCulture, $"{Prefix}plain{i % Spread}"), Keys[i * step], Process.Address))];
        return _requests[traffic] = made;
    }

    /// <summary>One round: so many callers share so many requests, each sends its next when it has its reply.</summary>
    public async Task<Round> RunAsync(Traffic traffic)
    {
        var requests = Requests(traffic);
        var callers = await Task.WhenAll(Enumerable.Range(0, traffic.Connections).Select(_ => Caller.ConnectAsync(Process.Address)));
        var seen = new Seen[callers.Length];
        var next = -1;
        // The connections' own cost is not the requests'.
        await Task.WhenAll(callers.Select((caller, i) => caller.AskAsync(requests[i % requests.Length], seen[i] = new Seen())));
        foreach (var one in seen) one.Clear();
        var cpu = Process.CpuMicroseconds;
        var begun = TimeProvider.System.GetTimestamp();
        await Task.WhenAll(callers.Select((caller, i) => Task.Run(async () =>
        {
            // Streams begin at different moments, as people's do.
            if (traffic.Events > 0) await Task.Delay(i * 37 % 100);
            for (var n = Interlocked.Increment(ref next); n < traffic.Requests; n = Interlocked.Increment(ref next))
                await caller.AskAsync(requests[n % requests.Length], seen[i]);
        })));
        var seconds = TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
        cpu = Process.CpuMicroseconds - cpu;
        foreach (var caller in callers) caller.Dispose();
        var count = seen.Sum(s => s.Requests);
        return new Round(count / seconds, cpu / count / Math.Max(1, traffic.Events),
            Quantiles.Of(seen.SelectMany(s => s.TotalMs)), Quantiles.Of(seen.SelectMany(s => s.FirstEventMs)), Quantiles.Of(seen.SelectMany(s => s.EventDelayMs)));
    }
}

/// <param name="Cpu">Microseconds of the process under test, a request or, of streams, an event.</param>
internal readonly record struct Round(double PerSecond, double Cpu, Quantiles Total, Quantiles First, Quantiles Delay);

internal readonly record struct Quantiles(double P50, double P99)
{
    public static Quantiles Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? default : new Quantiles(sorted[sorted.Length / 2], sorted[Math.Min(sorted.Length - 1, sorted.Length * 99 / 100)]);
    }

    public static double Median(IEnumerable<double> values) => Of(values).P50;
}
