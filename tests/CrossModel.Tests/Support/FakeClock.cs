namespace CrossModel.Tests.Support;

/// <summary>Time that moves only when a test says so. Its timestamps run at an odd frequency, so that code which mistakes them for ticks is caught.</summary>
internal sealed class FakeClock : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<FakeTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 7, 14, 12, 0, 0, TimeSpan.Zero);
    private TimeSpan _elapsed = TimeSpan.FromHours(1);

    public override long TimestampFrequency => 3_579_545;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock) return _now;
    }

    public override long GetTimestamp()
    {
        lock (_lock) return (long)(_elapsed.TotalSeconds * TimestampFrequency);
    }

    /// <summary>Somebody waits for a moment to come, once: nothing goes on for him until time passes. Periodic timers do not count.</summary>
    public bool IsAwaited => Awaited > 0;

    /// <summary>How many wait so.</summary>
    public int Awaited
    {
        get
        {
            lock (_lock) return _timers.Count(timer => timer.Period is null);
        }
    }

    /// <summary>Moves the wall clock alone, also backwards, as an operator or NTP would.</summary>
    public void SetUtcNow(DateTimeOffset now)
    {
        lock (_lock) _now = now;
    }

    /// <summary>Lets time pass; timers that fall due are called in order, each at its own moment.</summary>
    public void Advance(TimeSpan by)
    {
        TimeSpan end;
        lock (_lock) end = _elapsed + by;
        while (true)
        {
            FakeTimer? next;
            lock (_lock)
            {
                next = _timers.Where(t => t.Due <= end).MinBy(t => t.Due);
                var to = next?.Due ?? end;
                if (to > _elapsed)
                {
                    _now += to - _elapsed;
                    _elapsed = to;
                }
                if (next is null) return;
                if (next.Period is { } period) next.Due = _elapsed + period;
                else _timers.Remove(next);
            }
            next.Callback(next.State);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class FakeTimer(FakeClock clock, TimerCallback callback, object? state) : ITimer
    {
        public TimerCallback Callback { get; } = callback;
        public object? State { get; } = state;
        public TimeSpan Due { get; set; }
        public TimeSpan? Period { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (clock._lock)
            {
                clock._timers.Remove(this);
                Period = period == Timeout.InfiniteTimeSpan || period == TimeSpan.Zero ? null : period;
                if (dueTime == Timeout.InfiniteTimeSpan) return true;
                Due = clock._elapsed + dueTime;
                clock._timers.Add(this);
            }
            return true;
        }

        public void Dispose()
        {
            lock (clock._lock) clock._timers.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
