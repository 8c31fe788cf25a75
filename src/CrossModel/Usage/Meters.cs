using System.Collections.Concurrent;
using CrossModel.Protocol;

namespace CrossModel.Usage;

/// <summary>
/// What this node has counted since its start. Series are named by model, upstream, status and outcome, all of which the operator configured:
/// never by what callers send, so that nobody can make their number grow.
/// </summary>
internal sealed class Meters
{
    // The bounds that OpenTelemetry's conventions for generative AI advise.
    private static readonly double[] DurationBounds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
    private static readonly double[] FirstTokenBounds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

    private readonly ConcurrentDictionary<(string Model, string Upstream), Series> _series = new();
    private readonly ConcurrentDictionary<(string Upstream, string Outcome), Count> _attempts = new();

    /// <summary>A number that only grows.</summary>
    internal sealed class Count
    {
        private long _value;

        public long Value => Volatile.Read(ref _value);

        public void Add(long more)
        {
            if (more != 0) Interlocked.Add(ref _value, more);
        }
    }

    /// <summary>All calls of one model that one upstream served.</summary>
    internal sealed class Series
    {
        public ConcurrentDictionary<int, Count> Statuses { get; } = new();
        public Histogram Duration { get; } = new(DurationBounds);
        public Histogram FirstToken { get; } = new(FirstTokenBounds);

        /// <summary>Calls that reported or were counted tokens.</summary>
        public Count Replies { get; } = new();

        /// <summary>Everything read, of which <see cref="Cached"/>, <see cref="Written"/> and <see cref="Heard"/> are parts.</summary>
        public Count Input { get; } = new();
        public Count Cached { get; } = new();
        public Count Written { get; } = new();

        /// <summary>The part of <see cref="Written"/> that the cache keeps for an hour.</summary>
        public Count WrittenForAnHour { get; } = new();
        public Count Heard { get; } = new();

        /// <summary>Everything generated, of which <see cref="Reasoning"/> and <see cref="Spoken"/> are parts.</summary>
        public Count Output { get; } = new();
        public Count Reasoning { get; } = new();
        public Count Spoken { get; } = new();
    }

    public IEnumerable<KeyValuePair<(string Model, string Upstream), Series>> AllSeries => _series;
    public IEnumerable<KeyValuePair<(string Upstream, string Outcome), Count>> Attempts => _attempts;

    /// <summary>A call that has ended.</summary>
    /// <param name="model">The configured id; empty when none was found.</param>
    /// <param name="upstream">Who served; empty when nobody did.</param>
    /// <param name="status">The HTTP status sent; 499: the caller was gone.</param>
    /// <param name="firstToken">From the call's arrival to its first content; null for a plain reply.</param>
    public void Call(string model, string upstream, int status, in TokenUsage usage, TimeSpan duration, TimeSpan? firstToken)
    {
        var series = _series.GetOrAdd((model, upstream), static _ => new Series());
        series.Statuses.GetOrAdd(status, static _ => new Count()).Add(1);
        series.Duration.Add(duration);
        if (firstToken is { } wait) series.FirstToken.Add(wait);
        if (usage.TotalTokens == 0) return;
        series.Replies.Add(1);
        series.Input.Add(usage.InputTokens);
        series.Cached.Add(usage.CachedInputTokens);
        series.Written.Add(usage.CacheWriteTokens);
        series.WrittenForAnHour.Add(usage.CacheWriteHourTokens);
        series.Heard.Add(usage.AudioInputTokens);
        series.Output.Add(usage.OutputTokens);
        series.Reasoning.Add(usage.ReasoningTokens);
        series.Spoken.Add(usage.AudioOutputTokens);
    }

    /// <summary>One upstream call that has ended.</summary>
    /// <param name="outcome">"ok", or the failure in snake_case.</param>
    public void Attempt(string upstream, string outcome) => _attempts.GetOrAdd((upstream, outcome), static _ => new Count()).Add(1);
}
