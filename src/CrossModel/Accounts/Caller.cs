using CrossModel.Protocol;

namespace CrossModel.Accounts;

/// <summary>Limits of a key, an account, or each account on one model; null: none. Counts per sliding minute, spend in nano-dollars per UTC day, month, in all.</summary>
internal sealed record Terms
{
    public static Terms None { get; } = new();

    public long? RequestsPerMinute { get; init; }
    public long? TokensPerMinute { get; init; }
    public int? Parallel { get; init; }
    public long? SpendDay { get; init; }
    public long? SpendMonth { get; init; }
    public long? SpendTotal { get; init; }

    public bool IsNone => ReferenceEquals(this, None) || this is { RequestsPerMinute: null, TokensPerMinute: null, Parallel: null, HasSpend: false };

    public bool HasSpend => this is not { SpendDay: null, SpendMonth: null, SpendTotal: null };
}

/// <summary>What each account may take of one model.</summary>
/// <param name="Id">The public model id.</param>
internal sealed record ModelTerms(string Id, Terms Terms);

/// <summary>A paying account as the nodes remember it. Replaced as a whole when it changes.</summary>
/// <param name="Id">Time-ordered text of ours.</param>
/// <param name="CreditLimit">Nano-dollars below zero that the balance may go; 0 for prepaid.</param>
internal sealed record Account(string Id, string Name, bool Enabled, long CreditLimit, Terms Terms)
{
    public string Status => Enabled ? "enabled" : "disabled";
}

/// <summary>A key as the nodes remember it: never the key itself.</summary>
/// <param name="Hash">Hex SHA-256 of the whole key.</param>
/// <param name="Prefix">First 7 and last 4 characters, e.g. <c>cm-a1b2…wxyz</c>.</param>
/// <param name="Expires">Unix milliseconds; null: never.</param>
/// <param name="Models">Allowed ids and <c>vendor/*</c>; null: all.</param>
internal sealed record KeyEntry(string Id, string AccountId, string Name, string Hash, string Prefix, long? Expires, bool Enabled, bool Revoked,
    IReadOnlyList<string>? Models, Terms Terms)
{
    /// <summary>Id of the first key of a rotation line, the key's own if it was never rotated: limits and spend are counted under it, so that a rotation keeps them.</summary>
    public string Line { get; init; } = Id;

    /// <summary>How long its replies are kept for callers who ask for the cache, milliseconds; null: it allows no caching.</summary>
    public long? CacheFor { get; init; }

    /// <summary>revoked, expired, enabled or disabled.</summary>
    /// <param name="now">Unix milliseconds.</param>
    public string StatusAt(long now) => Revoked ? "revoked" : Expires <= now ? "expired" : Enabled ? "enabled" : "disabled";

    /// <summary>Ids and <c>vendor/*</c>, separated by commas; null: it is no such list.</summary>
    public static IReadOnlyList<string>? ReadModels(string text)
    {
        var models = text.Split(',', StringSplitOptions.TrimEntries);
        // A star is only understood at the end: "vendor/*", or "*" for all.
        return models.All(model => model.Length > 0 && model.TrimEnd('*').Length >= model.Length - 1
            && !model.TrimEnd('*').Contains('*', StringComparison.Ordinal) && !model.Any(char.IsWhiteSpace) && !Unseen.IsIn(model))
            ? models : null;
    }

    /// <summary>May this key call the model? <c>vendor/*</c> allows every id that starts with <c>vendor/</c>; <c>*</c> allows all.</summary>
    public bool Allows(string model) =>
        Models is null || Models.Any(m => m == model || (m.EndsWith('*') && model.StartsWith(m[..^1], StringComparison.Ordinal)));
}

/// <summary>Who is calling: resolved once a request.</summary>
internal sealed record Caller(KeyEntry Key, Account Account);
