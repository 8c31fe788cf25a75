using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;

namespace CrossModel.Cli;

/// <summary>What an option said where <c>none</c> (null) is a word of its own, unlike an option that was not given.</summary>
internal sealed record Given<T>(T? Value);

/// <summary>Milliseconds back from now, or unix milliseconds: one of them.</summary>
internal sealed record Moment(long? Back, long? At)
{
    public long On(long now) => At ?? now - Back!.Value;
}

/// <summary>Options and arguments that several commands share, and how their words are read. What cannot be read is wrong usage: exit code 2.</summary>
internal static class Options
{
    public static Option<string?> Config { get; } = NewConfig();

    public static Option<bool> Json { get; } = new("--json") { Description = "Answer in JSON", Recursive = true };

    private static Option<string?> NewConfig()
    {
        var config = new Option<string?>("--config") { Description = "The configuration file (default: crossmodel.json in the working folder)", HelpName = "FILE", Recursive = true };
        config.Validators.Add(static result =>
        {
            if (result.Tokens is [{ Value: "" }]) result.AddError("--config is empty. Name a file, or leave --config out.");
        });
        return config;
    }

    /// <summary>Where to listen.</summary>
    public static Option<string?> Urls(string description)
    {
        var urls = new Option<string?>("--urls") { Description = description, HelpName = "URLS" };
        urls.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<string?>() is { } value && ListenAddresses.Fault(value) is var (message, hint)) result.AddError($"--urls {value}: {message}; {hint}.");
        });
        return urls;
    }

    public static Argument<string> AccountName() => new("NAME") { Description = "The account's name" };

    public static Argument<string> IdOrKey() => new("ID-OR-KEY") { Description = "The key's id, the whole key, or its prefix (cm-a1b2…wxyz) if only one has it" };

    /// <summary>As a shell takes it for one word.</summary>
    public static string Word(string text) =>
        text.All(c => char.IsAsciiLetterOrDigit(c) || "-_.:/@+,".Contains(c, StringComparison.Ordinal)) ? text : $"'{text.Replace("'", @"'\''", StringComparison.Ordinal)}'";

    /// <summary>A positive amount in USD, as nano-dollars.</summary>
    public static long? ReadAmount(ArgumentResult result) => Read(result, text => Usd.Parse(text) is > 0 and var nano ? nano : null,
        "a positive plain decimal in USD with at most 9 places, like 10.00", TooMuch);

    public static long? ReadAmountOrZero(ArgumentResult result) => Read(result, Usd.Parse, "a plain decimal in USD with at most 9 places, like 10.00", TooMuch);

    public static Given<long?>? ReadAmountOrNone(ArgumentResult result) => ReadOrNone(result, text => Usd.Parse(text) is > 0 and <= Usd.MostOfTerm and var nano ? nano : null,
        "a positive plain decimal in USD, at most 1000000000 and with at most 9 places, or none");

    public static Given<long?>? ReadCountOrNone(ArgumentResult result) =>
        ReadOrNone(result, text => ReadCount(text, long.MaxValue), "a whole number from 1, or none", text => TooMany(text, long.MaxValue));

    public static Given<long?>? ReadSmallCountOrNone(ArgumentResult result) =>
        ReadOrNone(result, text => ReadCount(text, int.MaxValue), "a whole number from 1, or none", text => TooMany(text, int.MaxValue));

    public static long? ReadCount(ArgumentResult result) => Read(result, text => ReadCount(text, long.MaxValue), "a whole number from 1", text => TooMany(text, long.MaxValue));

    /// <summary>Milliseconds.</summary>
    public static long? ReadDuration(ArgumentResult result) => Read(result, ReadDuration, "a duration like 300ms, 30s, 5m, 24h or 90d", TooLong);

    /// <summary>Milliseconds of what is to last: no time at all is a slip.</summary>
    public static long? ReadLasting(ArgumentResult result) => Read(result, ReadLasting, "a duration above zero, like 15m or 24h", TooLong);

    /// <summary>Milliseconds of what is to last.</summary>
    public static Given<long?>? ReadLastingOrNone(ArgumentResult result) => ReadOrNone(result, ReadLasting, "a duration above zero, like 24h or 30d, or none", TooLong);

    /// <summary>A moment, or a duration back from now.</summary>
    public static Moment? ReadMoment(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (ReadDuration(text) is { } back) return new Moment(back, null);
        if (DateTimeOffset.TryParseExact(text, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFK"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at))
            return new Moment(null, at.ToUnixTimeMilliseconds());
        result.AddError(TooLong(text) is { } most
            ? TooLarge(text, most)
            : $"\"{text}\" is not a time. Write a day (2026-12-01), a moment (2026-12-01T08:00:00Z) or a duration back from now (36h).");
        return null;
    }

    /// <summary>Ids and <c>vendor/*</c>, separated by commas; null: none, that is, all.</summary>
    public static Given<IReadOnlyList<string>>? ReadModels(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (text == "none") return new(null);
        if (KeyEntry.ReadModels(text) is { } models)
            return new(models);
        result.AddError($"\"{text}\" is not a list of models. Write ids and vendor/* separated by commas, like openai/gpt-5,anthropic/*, or none for all.");
        return null;
    }

    public static string? ReadName(ArgumentResult result)
    {
        var name = result.Tokens.Single().Value;
        if (AccountStore.FaultOfName(name) is { } fault) result.AddError($"\"{name}\" is no good name. {fault}");
        return name;
    }

    /// <summary>The option's value if it was given, else what was before.</summary>
    public static T? After<T>(this ParseResult parse, Option<Given<T>?> option, T? before) => parse.GetValue(option) is { } given ? given.Value : before;

    private static Given<long?>? ReadOrNone(ArgumentResult result, Func<string, long?> read, string expected, Func<string, string?>? tooLarge = null) =>
        result.Tokens.Single().Value == "none" ? new(null) : new(Read(result, read, expected, tooLarge));

    /// <param name="tooLarge">Answers the most there can be, for what has the right form and is more.</param>
    private static long? Read(ArgumentResult result, Func<string, long?> read, string expected, Func<string, string?>? tooLarge = null)
    {
        var text = result.Tokens.Single().Value;
        var value = read(text);
        if (value is null) result.AddError(tooLarge?.Invoke(text) is { } most ? TooLarge(text, most) : $"\"{text}\" is not {expected}.");
        return value;
    }

    private static string TooLarge(string text, string most) => $"\"{text}\" is too large: {most} is the most.";

    private static string? TooMuch(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var usd) && usd > long.MaxValue / Usd.Nano
            ? $"{long.MaxValue / Usd.Nano} USD" : null;

    private static string? TooLong(string text) => Durations.IsTooLong(text) ? "36525d (a hundred years)" : null;

    private static string? TooMany(string text, long most) =>
        Int128.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > most ? most.ToString(CultureInfo.InvariantCulture) : null;

    private static long? ReadCount(string text, long most) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1 && count <= most ? count : null;

    private static long? ReadDuration(string text) => (long?)Durations.Parse(text)?.TotalMilliseconds;

    private static long? ReadLasting(string text) => ReadDuration(text) is > 0 and var lasts ? lasts : null;
}

/// <summary>The limits that accounts and keys can have.</summary>
internal sealed class TermsOptions
{
    private readonly Option<Given<long?>?> _rpm = new("--rpm") { Description = "Requests per minute", HelpName = "N", CustomParser = Options.ReadCountOrNone };
    private readonly Option<Given<long?>?> _tpm = new("--tpm") { Description = "Tokens per minute", HelpName = "N", CustomParser = Options.ReadCountOrNone };
    private readonly Option<Given<long?>?> _parallel = new("--parallel") { Description = "Calls at the same time", HelpName = "N", CustomParser = Options.ReadSmallCountOrNone };
    private readonly Option<Given<long?>?> _day = new("--spend-day") { Description = "USD a day (UTC)", HelpName = "USD", CustomParser = Options.ReadAmountOrNone };
    private readonly Option<Given<long?>?> _month = new("--spend-month") { Description = "USD a month (UTC)", HelpName = "USD", CustomParser = Options.ReadAmountOrNone };
    private readonly Option<Given<long?>?> _total = new("--spend-total") { Description = "USD in all", HelpName = "USD", CustomParser = Options.ReadAmountOrNone };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _rpm, _tpm, _parallel, _day, _month, _total }) command.Options.Add(option);
    }

    /// <summary>The terms with what the options change; <c>none</c> takes a limit away.</summary>
    public Terms Apply(ParseResult parse, Terms before) => new()
    {
        RequestsPerMinute = parse.After(_rpm, before.RequestsPerMinute),
        TokensPerMinute = parse.After(_tpm, before.TokensPerMinute),
        Parallel = (int?)parse.After(_parallel, before.Parallel),
        SpendDay = parse.After(_day, before.SpendDay),
        SpendMonth = parse.After(_month, before.SpendMonth),
        SpendTotal = parse.After(_total, before.SpendTotal),
    };
}
