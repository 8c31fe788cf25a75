namespace CrossModel.Billing;

/// <summary>
/// The charges whose callers wait, oldest first: those that have waited for <paramref name="limit"/> are told so. One timer for all of them: a timer
/// each cost more than the rest of the waiting.
/// </summary>
internal sealed class Waits(TimeProvider time, TimeSpan limit)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Charge> _waiting = new();
    private ITimer? _timer;
    private bool _isArmed;

    public void Add(Charge charge)
    {
        charge.WaitsSince = time.GetTimestamp();
        lock (_lock)
        {
            _waiting.AddLast(charge.Waiting);
            if (!_isArmed) Arm(limit);
        }
    }

    /// <summary>Its wait is over, well or not. Does nothing when it was over already.</summary>
    public void Remove(Charge charge)
    {
        lock (_lock)
        {
            if (charge.Waiting.List is not null) _waiting.Remove(charge.Waiting);
        }
    }

    // Under the lock. In the steady state the timer is armed once a limit, whatever comes and goes.
    private void Arm(TimeSpan wait)
    {
        _isArmed = true;
        _timer ??= time.CreateTimer(static waits => ((Waits)waits!).Look(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private void Look()
    {
        List<Charge>? late = null;
        lock (_lock)
        {
            _isArmed = false;
            while (_waiting.First is { } first)
            {
                var left = limit - time.GetElapsedTime(first.Value.WaitsSince);
                if (left > TimeSpan.Zero)
                {
                    Arm(left);
                    break;
                }
                _waiting.Remove(first);
                (late ??= []).Add(first.Value);
            }
        }
        foreach (var charge in late ?? []) charge.WaitedTooLong();
    }
}
