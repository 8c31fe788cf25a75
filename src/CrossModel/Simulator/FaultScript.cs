using System.Globalization;

namespace CrossModel.Simulator;

internal enum BreakKind { Reset, Hang, Cut, Garbage, Error }

/// <summary>Where a reply breaks: -1 before its headers, 0 after them, n after n events of a stream (for a plain reply: half of its body).</summary>
internal readonly record struct StreamBreak(BreakKind Kind, int After);

/// <summary>
/// What a caller wants to go wrong, or to be answered: <c>name=value;name;…</c>. docs/simulator.md has the table. A name that is not
/// known is a fault of the script, so that a misspelt one is never a test that passes.
/// </summary>
internal sealed record FaultScript
{
    public static FaultScript None { get; } = new();

    /// <summary>The script as it was written; scripts are counted by it.</summary>
    public string Source { get; init; } = "";
    public int? Times { get; private set; }

    public int? Status { get; private set; }
    public string? RetryAfter { get; private set; }
    public string Body { get; private set; } = "error";
    public string? Message { get; private set; }
    public string? Code { get; private set; }
    public string? Type { get; private set; }
    public string? Redirect { get; private set; }
    public string? SetCookie { get; private set; }
    public string? ContentType { get; private set; }
    public TimeSpan Delay { get; private set; }
    public StreamBreak? Break { get; private set; }
    /// <summary>How a cut ends: "eof" (closed without the last chunk), "clean" (an orderly end), "reset".</summary>
    public string End { get; private set; } = "eof";
    public TimeSpan? Drip { get; private set; }
    /// <summary>"none", "twice", "zero", or the literal JSON to send.</summary>
    public string? Usage { get; private set; }
    /// <summary>"none", "twice", or the literal reason to send.</summary>
    public string? Finish { get; private set; }
    public bool NoDone { get; private set; }
    public bool Crlf { get; private set; }
    public bool Comments { get; private set; }
    public bool UnknownEvents { get; private set; }
    public bool ContentOnFinish { get; private set; }
    /// <summary>True: a stream although none was asked for; false: JSON although a stream was; null: as asked.</summary>
    public bool? Streams { get; private set; }
    public bool Empty { get; private set; }
    public int? Line { get; private set; }
    /// <summary>What the content filter stops: "reply" or "prompt".</summary>
    public string? Blocked { get; private set; }

    public double? Pace { get; private set; }
    public int? TokenCount { get; private set; }
    public string? Text { get; private set; }
    public bool Refusal { get; private set; }
    public IReadOnlyList<string> Calls { get; private set; } = [];
    public bool Reasoning { get; private set; }
    public int? Cached { get; private set; }
    public int Written { get; private set; }
    public int Hour { get; private set; }
    public int Audio { get; private set; }
    public int Spoken { get; private set; }
    public bool Lenient { get; private set; }
    public IReadOnlyList<string> Refuse { get; private set; } = [];

    public int Events { get; private set; } = 20;
    public int Size { get; private set; } = 8;
    public TimeSpan Interval { get; private set; }

    /// <summary>What is left when the faults have had their number of times: how the good reply looks.</summary>
    public FaultScript WithoutFaults() => new()
    {
        Source = Source,
        Pace = Pace,
        TokenCount = TokenCount,
        Text = Text,
        Refusal = Refusal,
        Calls = Calls,
        Reasoning = Reasoning,
        Cached = Cached,
        Written = Written,
        Hour = Hour,
        Audio = Audio,
        Spoken = Spoken,
        Lenient = Lenient,
        Refuse = Refuse,
    };

    /// <returns>Null when the script was read; else what is wrong with it, for people.</returns>
    public static string? TryParse(string source, out FaultScript script)
    {
        script = new FaultScript { Source = source };
        foreach (var part in Split(source))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            var name = (equals < 0 ? part : part[..equals]).Trim().ToLowerInvariant();
            var value = equals < 0 ? null : part[(equals + 1)..].Trim();
            if (script.Set(name, value))
                continue;
            script = None; // what was read of it must not happen: a status of 99 is no HTTP
            return $"The script is not understood: \"{part}\" is not part of the fault grammar (docs/simulator.md)";
        }
        if (script.Idle() is not { } idle)
            return null;
        script = None;
        return $"The script is not understood: {idle} (docs/simulator.md)";
    }

    /// <summary>What stands in the script and would change nothing; null: all of it counts.</summary>
    private string? Idle()
    {
        bool saysAnError = Status is not null || Redirect is not null || Break?.Kind == BreakKind.Error || Refuse.Count > 0 || Blocked is not null;
        if (!saysAnError && (Message ?? Code ?? Type ?? RetryAfter ?? (Body == "error" ? null : Body)) is not null)
            return "message, code, type, retry-after and body change an error, and there is none: add status=503, error or the like";
        if (End != "eof" && Break?.Kind != BreakKind.Cut)
            return "end says how a cut ends, and there is none: add cut=3";
        return Times is not null && this == WithoutFaults() with { Times = Times } ? "times counts what fails, and nothing does: add status=503 or the like" : null;
    }

    /// <summary>Parts stand between semicolons; those inside braces, as in <c>usage={…}</c>, belong to the part.</summary>
    private static List<string> Split(string source)
    {
        var parts = new List<string>();
        var (start, depth) = (0, 0);
        for (var at = 0; at <= source.Length; at++)
        {
            var letter = at == source.Length ? ';' : source[at];
            depth += letter switch { '{' => 1, '}' => -1, _ => 0 };
            if (letter != ';' || (depth > 0 && at < source.Length))
                continue;
            if (source[start..at].Trim() is { Length: > 0 } part)
                parts.Add(part);
            start = at + 1;
        }
        return parts;
    }

    private bool Set(string name, string? value)
    {
        switch (name)
        {
            case "id": return value is not null;
            case "times": return (Times = Int(value)) is >= 0;
            case "status": return (Status = Int(value)) is >= 200 and <= 599;
            case "retry-after": return (RetryAfter = value) is not null;
            case "body": return (Body = value ?? "") is "error" or "html" or "empty" or "text";
            case "message": return (Message = value) is not null;
            case "code": return (Code = value) is not null;
            case "type": return (Type = value) is not null;
            case "redirect": Redirect = value ?? "http://127.0.0.1:9/elsewhere"; return true;
            case "set-cookie": SetCookie = value ?? "simulated=1; Path=/"; return true;
            case "content-type": return (ContentType = value) is not null;
            case "delay": return Time(value, null, out var delay) && (Delay = delay) >= TimeSpan.Zero;
            case "reset": return SetBreak(BreakKind.Reset, value, -1);
            case "hang": return SetBreak(BreakKind.Hang, value, -1);
            case "cut": return SetBreak(BreakKind.Cut, value, 3);
            case "garbage": return SetBreak(BreakKind.Garbage, value, 0);
            case "error": return SetBreak(BreakKind.Error, value, 0);
            case "end": return (End = value ?? "") is "eof" or "clean" or "reset";
            case "drip": return Time(value, TimeSpan.FromMilliseconds(2), out var drip) && (Drip = drip) is not null;
            case "usage": return (Usage = value) is "none" or "twice" or "zero" || value?.StartsWith('{') == true;
            case "finish": return (Finish = value) is not null;
            case "done": NoDone = true; return value == "none";
            case "crlf": Crlf = true; return Flag(value);
            case "comments": Comments = true; return Flag(value);
            case "unknown": UnknownEvents = true; return Flag(value);
            case "content-on-finish": ContentOnFinish = true; return Flag(value);
            case "json": Streams = false; return Flag(value);
            case "sse": Streams = true; return Flag(value);
            case "empty": Empty = true; return Flag(value);
            case "line": return (Line = value is null ? 1 << 20 : Int(value)) is > 0 and <= 64 << 20;
            case "blocked": return (Blocked = value ?? "reply") is "reply" or "prompt";
            default: return SetShape(name, value);
        }
    }

    private bool SetShape(string name, string? value)
    {
        switch (name)
        {
            case "pace": return (Pace = double.TryParse(value, CultureInfo.InvariantCulture, out var pace) ? pace : -1) >= 0;
            case "tokens": return (TokenCount = Int(value)) is >= 0 and <= 1_000_000;
            case "text": return (Text = value) is not null;
            case "refusal": Refusal = true; return Flag(value);
            case "calls": Calls = List(value); return Calls.Count > 0;
            case "reasoning": Reasoning = true; return Flag(value);
            case "cached": return (Cached = Int(value)) is >= 0;
            case "written": return (Written = Int(value) ?? -1) >= 0;
            case "hour": return (Hour = Int(value) ?? -1) >= 0;
            case "audio": return (Audio = Int(value) ?? -1) >= 0;
            case "spoken": return (Spoken = Int(value) ?? -1) >= 0;
            case "lenient": Lenient = true; return Flag(value);
            case "refuse": Refuse = List(value); return Refuse.Count > 0;
            case "fast": return Flag(value);
            case "events": return (Events = Int(value) ?? -1) is >= 0 and <= 100_000;
            case "size": return (Size = Int(value) ?? 0) is >= 1 and <= 16 << 20;
            case "interval": return Time(value, null, out var interval) && (Interval = interval) >= TimeSpan.Zero;
            default: return false;
        }
    }

    private bool SetBreak(BreakKind kind, string? value, int otherwise)
    {
        int? after = value switch { null => otherwise, "headers" => 0, "before" => -1, _ => Int(value) };
        Break = after is { } known && known >= -1 ? new StreamBreak(kind, known) : null;
        return Break is not null;
    }

    private static bool Flag(string? value) => value is null or "1" or "true";

    private static int? Int(string? value) =>
        int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    private static List<string> List(string? value) =>
        [.. (value ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    private static bool Time(string? value, TimeSpan? otherwise, out TimeSpan time)
    {
        time = otherwise ?? default;
        if (value is null)
            return otherwise is not null;
        var (digits, unit) = value.EndsWith("ms", StringComparison.Ordinal) ? (value[..^2], 1d) : value.EndsWith('s') ? (value[..^1], 1_000d) : ("", 0d);
        var read = double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number);
        time = TimeSpan.FromMilliseconds(number * unit);
        return read;
    }
}
