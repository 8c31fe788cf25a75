using System.Security.Cryptography;

namespace CrossModel.Configuration;

/// <summary>How much a fault weighs.</summary>
internal enum FaultKind
{
    /// <summary>The whole file is rejected; the last good configuration stays.</summary>
    Fault,

    /// <summary>A model has no price in force: it is off, everything else works. An error in <c>check</c>, a warning at start-up.</summary>
    MissingPrice,

    /// <summary>Worth knowing; changes nothing.</summary>
    Warning,
}

/// <summary>One thing wrong with the configuration. Never contains an expanded secret: values are quoted as they are written in the file.</summary>
/// <param name="Path">Where, e.g. <c>models["a/b"].routes[0].upstream</c>; <c>$</c> for the file as a whole.</param>
/// <param name="Message">What is wrong, without a full stop.</param>
internal sealed record ConfigFault(string Path, string Message, FaultKind Kind = FaultKind.Fault)
{
    /// <summary>How to mend it; null: the message says it already.</summary>
    public string? Hint { get; init; }

    /// <summary>1-based line of the file; null: not in the file (missing, or set by an environment variable).</summary>
    public int? Line { get; init; }

    /// <summary>The environment variable that sets it; null: none does, or the path is its name.</summary>
    public string? Variable { get; init; }

    public override string ToString() =>
        $"{Path}: {(Kind == FaultKind.Warning ? "warning: " : "")}{Message}{(Hint is null ? "" : "; " + Hint)}"
            + (Variable is not null ? $" (set by {Variable})" : Line is null ? "" : $" (line {Line})");
}

/// <summary>What became of a configuration file.</summary>
/// <param name="Config">Null when any fault rejects the file.</param>
/// <param name="File">Absolute path; null: there is no file, these are the defaults.</param>
/// <param name="BaseFolder">What relative paths are relative to.</param>
internal sealed record LoadedConfig(GatewayConfig? Config, IReadOnlyList<ConfigFault> Faults, string? File, string BaseFolder)
{
    /// <summary>The database's address even where other things are at fault, so that keys can still be revoked; null: it is itself at fault.</summary>
    public string? Database { get; init; }

    /// <summary>The file as read, secrets unexpanded; null: there is none or it could not be read.</summary>
    public byte[]? Text { get; init; }

    /// <summary>Absolute paths of the <c>${file:…}</c> secrets that it names, with the digest of what was read; empty: could not be read.</summary>
    public IReadOnlyDictionary<string, string> SecretFiles { get; init; } = new Dictionary<string, string>();

    public static string DigestOf(ReadOnlySpan<byte> bytes) => Convert.ToHexString(SHA256.HashData(bytes));

    public static string DigestOf(Stream file) => Convert.ToHexString(SHA256.HashData(file));
}

/// <summary>What the configuration cannot know by itself, given by the composition: this room knows no dialect and no database.</summary>
internal sealed record ConfigRules(IReadOnlySet<string> KnownDialects, IReadOnlySet<string> KnownPresets)
{
    /// <summary>A dialect's own demands on its upstream (form of the base URL, credentials that belong together).</summary>
    public Func<UpstreamConfig, IEnumerable<UpstreamRemark>> CheckUpstream { get; init; } = _ => [];

    /// <summary>A dialect's own demands on a route to its upstream, of the model with this public id.</summary>
    public Func<UpstreamConfig, string, RouteConfig, IEnumerable<UpstreamRemark>> CheckRoute { get; init; } = (_, _, _) => [];

    /// <summary>What the driver of that database has to say against its address, without a full stop and never with a password; null: nothing.</summary>
    public Func<string, string?> CheckDatabase { get; init; } = _ => null;

    /// <summary>Decides whether a price has begun.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <param name="Member">JSON name of the member of the upstream that it is about, e.g. <c>baseUrl</c>.</param>
internal sealed record UpstreamRemark(string Member, string Message, bool IsWarning = false);
