using CrossModel.Protocol;

namespace CrossModel.Usage;

/// <summary>How a charge came about.</summary>
internal enum Basis
{
    /// <summary>The upstream's own usage.</summary>
    Reported,
    /// <summary>Counted from the text: the upstream gave no usage.</summary>
    Counted,
    /// <summary>A failed or empty reply: costs nothing.</summary>
    Waived,
}

/// <summary>One upstream call of a request.</summary>
/// <param name="Outcome">"ok", or the failure in snake_case (<c>first_byte_timeout</c>).</param>
/// <param name="Status">The upstream's HTTP status; null when none came.</param>
/// <param name="Started">Unix milliseconds.</param>
internal sealed record AttemptRecord(string Upstream, string UpstreamModel, string Outcome, int? Status, long Started, long? FirstTokenMs, long DurationMs);

/// <summary>One line of the arithmetic on a receipt. Amount is exact: nano-dollars × 1,000,000 (tokens × nano-dollars per million).</summary>
/// <param name="Class">input, cached_input, cache_write, cache_write_hour, audio_input, output, reasoning, audio_output, request, image, audio_second.</param>
/// <param name="Count">Tokens, or units for request, image, audio_second.</param>
/// <param name="Price">Nano-dollars per million tokens, or per million units.</param>
internal readonly record struct CostLine(string Class, long Count, long Price)
{
    public Int128 Amount => (Int128)Count * Price;
}

/// <summary>What happened to one admitted request: the receipt's source. Written once, in the settlement's transaction.</summary>
internal sealed record RequestRecord
{
    /// <summary>The x-request-id.</summary>
    public required string Id { get; init; }
    public required string AccountId { get; init; }
    public required string KeyId { get; init; }
    /// <summary>The public id that served.</summary>
    public required string Model { get; init; }
    /// <summary>The public id that was asked for.</summary>
    public required string ModelAsked { get; init; }
    public string? ClientRequestId { get; init; }
    /// <summary>Unix milliseconds.</summary>
    public required long Created { get; init; }
    /// <summary>The HTTP status sent; 499: the caller was gone.</summary>
    public required int Status { get; init; }
    public required bool Stream { get; init; }
    public required Basis Basis { get; init; }
    public TokenUsage Usage { get; init; }
    /// <summary>Upstream calls that the usage is the sum of.</summary>
    public int Calls { get; init; } = 1;
    /// <summary>Images in the prompt of each call.</summary>
    public int Images { get; init; }
    /// <summary>Seconds of audio in the prompt of each call, rounded up.</summary>
    public long AudioSeconds { get; init; }
    /// <summary>"free", the version's from, or a short hash of the price.</summary>
    public required string PriceVersion { get; init; }
    public IReadOnlyList<CostLine> Lines { get; init; } = [];
    /// <summary>Nano-dollars by the price's arithmetic, rounded once, half up. What leaves the balance may be less: see Uncovered.</summary>
    public required long Price { get; init; }
    /// <summary>Nano-dollars that the operator pays by the routes' costs for the calls whose upstreams reported tokens or whose reply was delivered; null: unknown.</summary>
    public long? OperatorCost { get; init; }
    /// <summary>The route that served states no cost: what <see cref="OperatorCost"/> has is of others that were tried.</summary>
    public bool OperatorCostIsPartial { get; init; }
    public IReadOnlyList<string> Ignored { get; init; } = [];
    public IReadOnlyList<AttemptRecord> Attempts { get; init; } = [];
    public long DurationMs { get; init; }
    /// <summary>Error code the caller saw; null when the reply was good.</summary>
    public string? ErrorCode { get; init; }
}
