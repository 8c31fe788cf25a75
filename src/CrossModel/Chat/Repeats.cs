using System.Collections.Concurrent;
using System.Security.Cryptography;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>
/// Calls with an Idempotency-Key: the first one runs, a repeat joins it while it runs and gets its kept reply afterwards. A failure frees the key.
/// Only such a call runs on when its caller drops, so that the repeat finds it.
/// </summary>
internal sealed class Repeats(ReplyStore store, TimeProvider time)
{
    private const int LongestKey = 255;

    /// <summary>How long a call goes on for a caller who may come back.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>How often a call that runs on another node is asked for.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    private readonly ConcurrentDictionary<(string Account, string Key), Run> _running = new();

    /// <summary>Null: no key was sent, or the key is this call's now and it may run. Else the call is answered: by a refusal, or (status 200) by <see cref="ChatCall.Kept"/>.</summary>
    public async ValueTask<ApiError?> BeginAsync(ChatCall call)
    {
        if (Read(call.Http.Request.Headers, out var key) is { } fault) return fault;
        if (key is null) return null;
        var bodyHash = SHA256.HashData(call.Request.Body.Span);
        var name = (call.Caller.Account.Id, key);
        var mine = new Run(this, name, bodyHash, call.RequestId);
        for (var hasWaited = false; ; hasWaited = true)
        {
            // What another server does need not be waited for here until it has ended.
            if (call.Stopping.IsCancellationRequested) return FailureRules.ToCaller(new UpstreamFault(UpstreamFailure.Stopping));
            var run = _running.GetOrAdd(name, mine);
            if (run != mine)
            {
                if (!run.BodyHash.AsSpan().SequenceEqual(bodyHash)) return ApiErrors.IdempotencyKeyReused();
                var outcome = await run.Outcome.WaitAsync(call.Aborted);
                call.Kept = outcome.Reply;
                if (outcome != default) return outcome.Failure;
                // It did not run here after all: another node has the key.
                await Task.Delay(Pause, time, call.Aborted);
                continue;
            }
            Claim claim;
            try
            {
                claim = await store.ClaimAsync(name.Id, key, bodyHash, call.RequestId);
            }
            catch
            {
                mine.Leave(new RunOutcome(null, Unknown()));
                throw;
            }
            if (claim == default)
            {
                (call.Run, call.Recording, call.WasSlow) = (mine, mine.Recording, hasWaited);
                call.Outlive(Patience);
                return null;
            }
            var refusal = claim.OtherBody ? ApiErrors.IdempotencyKeyReused()
                : claim.DatabaseAway ? Unknown()
                : claim.Damaged is { } charged ? ApiErrors.KeptReplyLost(charged)
                : null;
            mine.Leave(new RunOutcome(claim.Kept, refusal));
            call.Kept = claim.Kept;
            if (claim.Kept is not null || refusal is not null) return refusal;
            await Task.Delay(Pause, time, call.Aborted);
            mine = new Run(this, name, bodyHash, call.RequestId);
        }
    }

    /// <param name="key">Null: none was sent.</param>
    public static ApiError? Read(IHeaderDictionary headers, out string? key)
    {
        var header = headers["Idempotency-Key"];
        key = header.Count == 0 ? null : header.ToString();
        return key is { Length: 0 or > LongestKey } || key.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? ApiErrors.InvalidValue("Idempotency-Key", $"An Idempotency-Key is 1 to {LongestKey} visible ASCII characters without spaces.") : null;
    }

    private static ApiError Unknown() => ApiErrors.ModelUnavailable("Whether this call is a repeat could not be looked up. Send the request again.");

    /// <summary>After the charge, before the last bytes. The reply was kept with its charge; one too large for that leaves its key to the next.</summary>
    public async ValueTask EndAsync(Run run, KeptReply reply)
    {
        if (reply.IsTooLarge) await store.FreeAsync(run.Name.Account, run.Name.Key, run.RequestId);
        run.Leave(new RunOutcome(reply, null));
    }

    /// <summary>The call has ended without a reply to keep: those who joined share its failure, and the key is free.</summary>
    public async ValueTask FreeAsync(Run run, ApiError? failure)
    {
        try
        {
            await store.FreeAsync(run.Name.Account, run.Name.Key, run.RequestId);
        }
        finally
        {
            run.Leave(new RunOutcome(null, failure ?? ApiErrors.ModelUnavailable(run.Recording.IsWhole
                ? "The call that this one repeats did not end. Send the request again."
                : "The call that this one repeats has ended, but this server had no room to keep its reply. Send the request again: it is a new call.")));
        }
    }

    private void Ended(Run run) => store.Ended(run.Name.Account, run.Name.Key, run.RequestId);

    /// <summary>What joined callers get; default: nothing, they look for the key anew.</summary>
    internal readonly record struct RunOutcome(KeptReply? Reply, ApiError? Failure);

    /// <summary>A first call on this node.</summary>
    internal sealed class Run(Repeats repeats, (string Account, string Key) name, byte[] bodyHash, string requestId)
    {
        private readonly TaskCompletionSource<RunOutcome> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public (string Account, string Key) Name => name;
        public byte[] BodyHash => bodyHash;
        public string RequestId => requestId;
        public Task<RunOutcome> Outcome => _outcome.Task;

        public Recording Recording { get; } = new(name.Account, name.Key, requestId);

        /// <summary>Before its caller is told that it failed: who repeats the call at once starts anew, and does not join what has ended.</summary>
        /// <remarks>What is refused to one key says nothing of the account's other keys: who has joined with one looks for himself.</remarks>
        public void Fail(ApiError failure)
        {
            repeats.Ended(this);
            Leave(failure is { Status: 401 or 404 } ? default : new RunOutcome(null, failure));
        }

        public void Leave(RunOutcome outcome)
        {
            repeats._running.TryRemove(new(name, this));
            _outcome.TrySetResult(outcome);
        }
    }
}
