namespace CrossModel.Dialects;

/// <summary>Every way an upstream can fail. Routing/FailureRules.cs is the only place that says what follows from each.</summary>
internal enum UpstreamFailure
{
    /// <summary>Name not found, refused, TLS, no connection in time.</summary>
    Connect,
    /// <summary>No first byte within the limit.</summary>
    FirstByteTimeout,
    /// <summary>Silence longer than the limit.</summary>
    IdleTimeout,
    /// <summary>The whole call took longer than the limit.</summary>
    TotalTimeout,
    /// <summary>429: quota or rate.</summary>
    RateLimited,
    /// <summary>401, 402, 403, a spent balance: the operator's account is at fault, not the caller.</summary>
    Operator,
    /// <summary>The model or deployment is not there.</summary>
    ModelMissing,
    /// <summary>The request itself was refused (400, 404, 409, 413, 415, 422 about the request).</summary>
    Rejected,
    /// <summary>3xx, 408, 5xx, 529, "overloaded".</summary>
    ServerError,
    /// <summary>Unreadable, empty, HTML, an error inside a 200.</summary>
    BadReply,
    /// <summary>The body ended before the reply did.</summary>
    CutShort,
    /// <summary>Our caller left.</summary>
    ClientGone,
    /// <summary>This server holds as many bytes as it may: the upstream has done nothing wrong.</summary>
    NoRoom,
    /// <summary>This server stops and its patience with running calls is over.</summary>
    Stopping,
}

/// <summary>One failure, read.</summary>
/// <param name="Message">For Rejected: the provider's words, scrubbed of keys, hosts, deployment names, safe for the caller. Else null.</param>
/// <param name="Code">For Rejected: the code the caller sees (<c>upstream_rejected</c>, <c>context_length_exceeded</c>, …). Else null.</param>
/// <param name="Param">For Rejected: the place the provider named, if any.</param>
/// <param name="Detail">For the operator's log: may name the status and the provider's words, never a key.</param>
/// <param name="RetryAfter">The provider's hint.</param>
/// <param name="NotAgain">The provider says that it would fail again.</param>
/// <param name="TryAgain">The dialect has learned from this failure: the same route is worth one more try at once, written anew.</param>
/// <param name="Stumbled">For Rejected with TryAgain: the dialect has learned nothing, the model may merely do better next time. Once.</param>
/// <param name="IsOfModel">For Operator: it is this one model that the account may not ask; the upstream's others are well.</param>
/// <param name="IsOfKey">For Operator and RateLimited with TryAgain: it is the one of several keys that was used, and the next one is awake.</param>
internal sealed record UpstreamFault(
    UpstreamFailure Failure,
    int? Status = null,
    string? Message = null,
    string? Code = null,
    string? Param = null,
    string? Detail = null,
    TimeSpan? RetryAfter = null,
    bool NotAgain = false,
    bool TryAgain = false,
    bool Stumbled = false,
    bool IsOfModel = false,
    bool IsOfKey = false);
