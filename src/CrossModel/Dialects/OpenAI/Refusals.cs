using System.Text;
using System.Text.RegularExpressions;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// What the words of a refusal teach of a model, held against what it was sent. Words that stand in the request itself may be the caller's own, and
/// teach nothing: see <see cref="CallersWords"/>.
/// </summary>
internal static partial class Refusals
{
    private static readonly string[] Tastes = [.. Presets.Dispensable, "temperature", "top_p"];

    /// <summary>The words of a refusal, whatever its shape: some servers write quotes as escapes.</summary>
    public static string Said(ReadOnlySpan<byte> body) => Escapes().Replace(Encoding.UTF8.GetString(body), match => ((char)Convert.ToByte(match.Groups[1].Value, 16)).ToString());

    [GeneratedRegex(@"\\u00([2-7][0-9a-fA-F])", RegexOptions.CultureInvariant)]
    private static partial Regex Escapes();

    /// <summary>Parameters that were sent, that the server does not know or takes one value of, and that the caller can do without.</summary>
    public static List<string> Dropped(string said, ReadOnlySpan<byte> sent)
    {
        var names = new List<string>();
        Find(Unknown(), said, sent, isName: true, names);
        Find(Fixed(), said, sent, isName: false, names);
        if (TopLevel.String(sent, "reasoning_effort"u8) == "none" && Says(NoThinking(), said, sent)) names.Add("reasoning_effort");
        return names;
    }

    /// <summary>The first parameter that the words call unknown or unsupported, whoever's they are; null: none.</summary>
    public static string? Unsupported(string said) => Unknown().Match(said) is { Success: true } match ? match.Groups["name"].Captures[0].Value : null;

    /// <summary>The model was asked to think: some take a temperature only where they are not.</summary>
    public static bool WasToThink(ReadOnlySpan<byte> sent) => TopLevel.String(sent, "reasoning_effort"u8) is not (null or "none");

    /// <summary>How else the model wants to be asked; None: it is not said, or the request was so already.</summary>
    /// <param name="unthinking">The member that keeps a model of this server from thinking.</param>
    public static Lesson Of(string said, UpstreamRequest upstream, string unthinking)
    {
        var sent = upstream.Body.Span;
        if (sent.IndexOf(Encoding.ASCII.GetBytes(unthinking)) < 0)
        {
            if (Says(ToolsUnthinking(), said, sent) && (TopLevel.Has(sent, "tools"u8) || TopLevel.Has(sent, "functions"u8))) return Lesson.ToolsUnthinking;
            if (Says(ForcedUnthinking(), said, sent) && TopLevel.Has(sent, "tool_choice"u8)) return Lesson.ForcedUnthinking;
        }
        if (!upstream.Stream && Says(StreamsOnly(), said, sent)) return Lesson.StreamsOnly;
        if (WasToThink(sent) && Says(NoThinking(), said, sent)) return Lesson.NoEfforts;
        if (TopLevel.Has(sent, "n"u8) && Says(OneReply(), said, sent)) return Lesson.OneCandidate;
        if (Says(OldRoles(), said, sent) && SentBody.Any(sent, "messages", SentBody.IsDeveloper)) return Lesson.NoDeveloper;
        if (Says(ReasoningMissing(), said, sent) && SentBody.Any(sent, "messages", SentBody.LacksReasoning)) return Lesson.WantsReasoning;
        if (Says(TextsOnly(), said, sent) && SentBody.Any(sent, "messages", SentBody.IsNoText, PlaceIn(TextsOnly().Match(said)))) return Lesson.WantsTexts;
        return Says(ParametersMissing(), said, sent) && SentBody.Any(sent, "tools", SentBody.LacksParameters) ? Lesson.WantsParameters : Lesson.None;
    }

    /// <summary>The words for how much to think that the model takes, where it says so and was sent another; null: it does not, or was not.</summary>
    public static string[]? Efforts(string said, ReadOnlySpan<byte> sent)
    {
        if (TopLevel.String(sent, "reasoning_effort"u8) is not { } refused || OtherEfforts().Match(said) is not { Success: true } match || AreCallers(match.Value, sent)) return null;
        string[] taken = [.. match.Groups["taken"].Captures.Select(capture => capture.Value)];
        return taken.Contains(refused) ? null : taken;
    }

    /// <summary>Of what an assistant said of its thinking in an earlier turn, the member that the server does not know or this model does not take; null: none is named.</summary>
    public static string? Reasoning(ReadOnlySpan<byte> body)
    {
        if (body.IndexOf("messages"u8) < 0) return null;
        foreach (var (said, member) in (ReadOnlySpan<(string, string)>)[("reasoning_content", "reasoning_content"), ("reasoning_details", "reasoning_details"),
            ("'reasoning'", "reasoning"), ("\"reasoning\"", "reasoning"), ("].reasoning`", "reasoning"), ("assistant.reasoning", "reasoning")])
        {
            if (Names(body, Encoding.ASCII.GetBytes(said))) return member;
        }
        return null;
    }

    /// <summary>The refusal is about the parameter itself, not about its value: it says so by code, or calls it unknown or unsupported.</summary>
    public static bool Names(ReadOnlySpan<byte> body, ReadOnlySpan<byte> parameter)
    {
        if (body.IndexOf(parameter) < 0) return false;
        var said = Encoding.UTF8.GetString(body);
        foreach (var word in (ReadOnlySpan<string>)
            ["unsupported", "not supported", "unknown", "unrecognized", "unexpected", "not permitted", "extra_forbidden", "extra inputs", "additional properties"])
        {
            if (said.Contains(word, StringComparison.OrdinalIgnoreCase)) return true;
        }
        return false;
    }

    /// <param name="isName">What is named may stand deeper in the request, under the same name: then it is not the parameter.</param>
    private static void Find(Regex words, string said, ReadOnlySpan<byte> sent, bool isName, List<string> names)
    {
        // Each is looked for once: a large request is not searched as often as a server quotes it.
        var seen = new HashSet<string>();
        foreach (Match match in words.Matches(said))
        {
            foreach (Capture capture in match.Groups["name"].Captures)
            {
                // xAI spells names without underscores.
                var plain = capture.Value.Replace("_", "", StringComparison.Ordinal);
                var name = Tastes.FirstOrDefault(known => known.Replace("_", "", StringComparison.Ordinal).Equals(plain, StringComparison.OrdinalIgnoreCase));
                if (name is null || !seen.Add(name) || names.Contains(name) || !TopLevel.Has(sent, Encoding.ASCII.GetBytes(name))) continue;
                if (!AreCallers(match.Value, sent) && !(isName && CallersWords.Name(sent, name))) names.Add(name);
            }
        }
    }

    private static bool Says(Regex words, string said, ReadOnlySpan<byte> sent) => words.Match(said) is { Success: true } match && !AreCallers(match.Value, sent);

    /// <summary>The words stand in the request, as they are or as a server quotes them that writes JSON into JSON.</summary>
    private static bool AreCallers(string words, ReadOnlySpan<byte> sent) =>
        CallersWords.Hold(sent, words) || (words.Contains('\\', StringComparison.Ordinal) && CallersWords.Hold(sent, Unquoted(words)));

    private static string Unquoted(string words) =>
        Quoted().Replace(words, quoted => quoted.Value[1] switch { 'n' => "\n", 'r' => "\r", 't' => "\t", var other => $"{other}" });

    [GeneratedRegex(@"\\[nrt""'\\]", RegexOptions.CultureInvariant)]
    private static partial Regex Quoted();

    /// <summary>The message that is spoken of; null: it is not said which.</summary>
    private static int? PlaceIn(Match match) => match.Groups["at"] is { Success: true } at && int.TryParse(at.ValueSpan, out var place) ? place : null;

    /// <summary>OpenAI and Azure; xAI, today and before; Groq and Cerebras; NVIDIA, today and before; servers that judge with pydantic; Databricks.</summary>
    [GeneratedRegex(
        @"(?:nrecognized request arguments? supplied: |nsupported parameter(?:\(s\))?: |nknown parameter: |does not support parameter |rgument not supported on this model: )"
        + @"(?:['`]?(?<name>[A-Za-z_][A-Za-z_0-9]*)(?!\w|\.\w|\[)['`]?(?:, )?)+"
        + @"|property '(?<name>[A-Za-z_][A-Za-z_0-9]*)' is unsupported"
        + @"|body -> (?<name>[A-Za-z_][A-Za-z_0-9]*)(?:\\n|\s)+Extra inputs"
        + @"|extra_forbidden\\?[""'], ?\\?[""']loc\\?[""']: ?[\[(]\\?[""']body\\?[""'], ?\\?[""'](?<name>[A-Za-z_][A-Za-z_0-9]*)\\?[""'][\])]"
        + @"|(?<![\w.])(?<name>[A-Za-z_][A-Za-z_0-9]*): Extra inputs are not permitted", RegexOptions.CultureInvariant)]
    private static partial Regex Unknown();

    /// <summary>Moonshot; OpenAI.</summary>
    [GeneratedRegex("invalid (?<name>temperature|top_p|presence_penalty|frequency_penalty): only "
        + "|nsupported value: '(?<name>temperature|top_p|presence_penalty|frequency_penalty)' does not support", RegexOptions.CultureInvariant)]
    private static partial Regex Fixed();

    /// <summary>Ollama.</summary>
    [GeneratedRegex("does not support thinking|think value .{1,20} is not supported for this model", RegexOptions.CultureInvariant)]
    private static partial Regex NoThinking();

    /// <summary>OpenAI.</summary>
    [GeneratedRegex("'reasoning_effort' does not support '[a-z]+' with this model. Supported values are: (?:'(?<taken>[a-z]+)'(?:, and |, | and )?)+", RegexOptions.CultureInvariant)]
    private static partial Regex OtherEfforts();

    /// <summary>OpenAI, of GPT-5.4 and newer.</summary>
    [GeneratedRegex("Function tools with reasoning_effort are not supported", RegexOptions.CultureInvariant)]
    private static partial Regex ToolsUnthinking();

    /// <summary>DeepSeek; Moonshot; DashScope.</summary>
    [GeneratedRegex("Thinking mode does not support this tool_choice|tool_choice '[a-z]+' is incompatible with thinking enabled"
        + "|tool_choice parameter does not support being set to required or object in thinking mode", RegexOptions.CultureInvariant)]
    private static partial Regex ForcedUnthinking();

    /// <summary>DashScope; Fireworks.</summary>
    [GeneratedRegex("enable_thinking must be set to false for non-streaming|only support stream mode|must have stream=true", RegexOptions.CultureInvariant)]
    private static partial Regex StreamsOnly();

    /// <summary>Moonshot.</summary>
    [GeneratedRegex("invalid n: only 1 is allowed", RegexOptions.CultureInvariant)]
    private static partial Regex OneReply();

    /// <summary>Servers in Rust; in Python; chat templates; Zhipu behind another.</summary>
    [GeneratedRegex("unknown variant .developer|developer is not one of|nexpected message role|ncorrect role information", RegexOptions.CultureInvariant)]
    private static partial Regex OldRoles();

    /// <summary>Moonshot; DeepSeek.</summary>
    [GeneratedRegex("reasoning_content is missing|reasoning_content. in the thinking mode must be passed back", RegexOptions.CultureInvariant)]
    private static partial Regex ReasoningMissing();

    /// <summary>Cloudflare; servers in Rust; Groq; servers that judge with pydantic.</summary>
    [GeneratedRegex(
        "(?:/messages/(?<at>[0-9]+))?/content', '(?:array|null)' not in 'string'"
        + "|required properties at '/messages/(?<at>[0-9]+)' are 'role,content'"
        + "|invalid type: (?:sequence|null), expected a string"
        + "|content' : value must be a string"
        + @"|messages\W{1,5}(?<at>[0-9]+)\W.{0,20}content\W.{0,40}nput should be a valid string", RegexOptions.CultureInvariant)]
    private static partial Regex TextsOnly();

    /// <summary>MiniMax; servers in Rust; in Python.</summary>
    [GeneratedRegex("""function parameters is empty|missing field .parameters|'parameters' is a required property|function\W{1,5}parameters\W{1,4}(?:msg\W{1,4})?Field required""", RegexOptions.CultureInvariant)]
    private static partial Regex ParametersMissing();
}
