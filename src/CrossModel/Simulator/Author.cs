using System.Text;

namespace CrossModel.Simulator;

/// <summary>Writes the answers: openly a simulation, the same for the same conversation, obedient to caps, stops, schemas and tools.</summary>
internal static class Author
{
    private static readonly string[] Remarks =
    [
        "A real model would now say something useful about it.",
        "The words you read were chosen by a hash, not by a mind.",
        "Ask the same again and the same words will come back.",
        "Nothing here was learned, looked up or thought through.",
        "It costs nothing and knows nothing, but it is always in.",
        "Your program cannot tell the difference, which is the point.",
    ];

    // Of all candidates together. A request of a few bytes may ask for many and long ones, and a gateway's callers write requests.
    private const long MostText = 16 << 20;
    private const long MostOfSchemas = 16 << 20;

    /// <summary>What was asked for is more than is made at once; one reply alone may be long.</summary>
    public static bool IsTooMuch(Prompt prompt, FaultScript script) =>
        prompt.Candidates > 1
            && prompt.Candidates * (script.Line ?? Math.Max(script.Text?.Length ?? 0, 9L * (script.TokenCount ?? 0)) + 256L * (1 + prompt.ToolResults.Count)) > MostText;

    public static SimulatedReply Compose(Prompt prompt, FaultScript script, int index)
    {
        var dice = new Dice(prompt.Seed + (ulong)index);
        var reply = new SimulatedReply { Finish = script.Blocked is not null ? Finish.Filtered : Finish.Stop };
        if (script.Empty || script.Blocked == "prompt")
            return reply;
        if (prompt.Reasons || script.Reasoning)
            reply.Reasoning = $"The caller wants an answer to {Quote(prompt.UserText, 60)}. I am a simulation, so I will say so and answer plainly.";
        if (script.Refusal)
            reply.Refusal = "I'm a simulation, and I was told to refuse this.";
        else if (script.Text is null && script.Line is null)
            AddCalls(reply, prompt, script, ref dice);
        if (reply.Calls.Count == 0 && reply.Refusal is null)
            reply.Text = Text(prompt, script, ref dice);
        Limit(reply, prompt);
        reply.Pieces = script.Line is not null ? [reply.Text] : Tokens.Split(reply.Text);
        return reply;
    }

    private static string Text(Prompt prompt, FaultScript script, ref Dice dice)
    {
        if (script.Line is { } line)
            return new string('x', line);
        if (script.Text is { } literal)
            return literal;
        if (prompt.WantsJson)
            return prompt.JsonSchema.Exists()
                ? SchemaSample.Of(prompt.JsonSchema, dice.Next(), MostOfSchemas / prompt.Candidates)
                : Encoding.UTF8.GetString(JsonParts.Write(json =>
                {
                    json.WriteStartObject();
                    json.WriteBoolean("simulated", true);
                    json.WriteString("you_said", Shorten(prompt.UserText, 200));
                    json.WriteEndObject();
                }));
        var text = new StringBuilder("This is a simulated reply; no model has read your message.");
        foreach (var (name, result) in prompt.ToolResults)
            text.Append(" The tool ").Append(name).Append(" answered ").Append(Quote(result, 200)).Append('.');
        if (prompt.ToolResults.Count == 0)
            text.Append(" You said ").Append(Quote(prompt.UserText, 200)).Append('.');
        if (prompt.Media.Count > 0)
            text.Append(" It came with: ").AppendJoin(", ", prompt.Media).Append('.');
        text.Append(' ').Append(Remarks[dice.Next(Remarks.Length)]);
        if (script.TokenCount is not { } wanted)
            return text.ToString();
        // Tokens never span sentences, so the count of the whole is the sum of the counts.
        for (var have = Tokens.Count(text.ToString()); have < wanted;)
        {
            var remark = " " + Remarks[dice.Next(Remarks.Length)];
            have += Tokens.Count(remark);
            text.Append(remark);
        }
        return Tokens.Take(text.ToString(), wanted);
    }

    private static void AddCalls(SimulatedReply reply, Prompt prompt, FaultScript script, ref Dice dice)
    {
        var wanted = Wanted(prompt, script);
        foreach (var tool in wanted)
            reply.Calls.Add(new SimulatedCall(dice.Letters(24), tool.Name, SchemaSample.Of(tool.Schema, dice.Next(), MostOfSchemas / prompt.Candidates / wanted.Count)));
        if (reply.Calls.Count > 0)
            reply.Finish = Finish.ToolCalls;
    }

    /// <summary>Tools that are forced, named by the script, or asked for by a user message that ends the conversation.</summary>
    private static List<ToolOffer> Wanted(Prompt prompt, FaultScript script)
    {
        if (prompt.Tools.Count == 0 || prompt.ToolChoice == ToolChoice.None)
            return [];
        if (prompt.ToolChoice == ToolChoice.Named)
            return [.. prompt.Tools.Where(tool => tool.Name == prompt.ToolChoiceName).Take(1)];
        List<ToolOffer> wanted = [];
        if (script.Calls.Count > 0 && prompt.ToolResults.Count == 0)
            wanted = [.. script.Calls.SelectMany(name => prompt.Tools.Where(tool => tool.Name == name).Take(1))];
        else if (prompt.ToolResults.Count == 0)
            wanted = [.. prompt.Tools.Where(tool => AsksFor(prompt.UserText, tool.Name))];
        if (wanted.Count == 0 && (prompt.ToolChoice == ToolChoice.Required
            || (prompt.ToolResults.Count == 0 && prompt.UserText.Contains(" tool", StringComparison.OrdinalIgnoreCase))))
            wanted = [prompt.Tools[0]];
        return prompt.ParallelCalls ? wanted : [.. wanted.Take(1)];
    }

    /// <summary>"What's the weather?" asks for get_weather: one telling word of the name is enough.</summary>
    private static bool AsksFor(string text, string tool) =>
        text.Contains(tool, StringComparison.OrdinalIgnoreCase)
        || tool.Split(['_', '-', '.', ':']).Any(word => word.Length >= 4 && word is not ("find" or "list" or "make" or "with" or "from" or "call" or "tool")
            && text.Contains(word, StringComparison.OrdinalIgnoreCase));

    /// <summary>Reasoning is spent first, as with real models; a cap that cuts a call leaves its arguments unfinished.</summary>
    private static void Limit(SimulatedReply reply, Prompt prompt)
    {
        foreach (var stop in prompt.Stop)
            if (reply.Text.IndexOf(stop, StringComparison.Ordinal) is >= 0 and var at)
                (reply.Text, reply.Finish, reply.StopSequence) = (reply.Text[..at], Finish.StopSequence, stop);
        var left = prompt.MaxTokens ?? int.MaxValue;
        reply.Reasoning = Spend(reply.Reasoning);
        reply.ReasoningTokens = reply.OutputTokens;
        reply.Text = Spend(reply.Text);
        if (reply.Refusal is not null)
            reply.Refusal = Spend(reply.Refusal);
        for (var i = 0; i < reply.Calls.Count; i++)
        {
            reply.OutputTokens += Tokens.Count(reply.Calls[i].Name);
            left -= Math.Min(left, Tokens.Count(reply.Calls[i].Name));
            reply.Calls[i] = reply.Calls[i] with { Arguments = Spend(reply.Calls[i].Arguments) };
        }

        string Spend(string text)
        {
            var kept = Tokens.Take(text, left);
            if (kept.Length < text.Length)
                reply.Finish = Finish.Length;
            var used = Tokens.Count(kept);
            left -= used;
            reply.OutputTokens += used;
            return kept;
        }
    }

    private static string Quote(string text, int limit) => $"\"{Shorten(text, limit)}\"";

    private static string Shorten(string text, int limit)
    {
        if (text.Length <= limit)
            return text;
        return text[..(char.IsHighSurrogate(text[limit - 1]) ? limit - 1 : limit)] + "…";
    }
}
