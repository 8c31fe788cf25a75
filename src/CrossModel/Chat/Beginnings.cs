namespace CrossModel.Chat;

/// <summary>
/// Streams of several candidates begin in the order of their numbers, and go on as they come. OpenAI's do, and what its SDK for Python makes of a stream
/// fails at a candidate that comes before a lower one.
/// </summary>
internal sealed class Beginnings
{
    // Whoever waits goes on in the pool: it is no matter of the one that has begun.
    private readonly TaskCompletionSource[] _begun;

    public Beginnings(int count)
    {
        _begun = new TaskCompletionSource[count];
        for (var i = 0; i < count; i++) _begun[i] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Done once the one before has begun. Never done if that one fails: who waits is cancelled then.</summary>
    public Task TurnOf(int candidate) => candidate == 0 ? Task.CompletedTask : _begun[candidate - 1].Task;

    public void HasBegun(int candidate) => _begun[candidate].TrySetResult();
}
