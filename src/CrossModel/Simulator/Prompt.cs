using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>A function that the caller offers; the schema is undefined when it has no parameters.</summary>
internal sealed record ToolOffer(string Name, JsonElement Schema);

internal enum ToolChoice { Auto, None, Required, Named }

/// <summary>What was asked, in no dialect's terms: all that an answer is made from.</summary>
internal sealed class Prompt
{
    public string Model { get; set; } = "";
    /// <summary>Text of the last user message.</summary>
    public string UserText { get; set; } = "";
    /// <summary>Name and text of the results that end the conversation; empty when a user message ends it.</summary>
    public List<(string Name, string Text)> ToolResults { get; } = [];
    public List<ToolOffer> Tools { get; } = [];
    public ToolChoice ToolChoice { get; set; }
    public string? ToolChoiceName { get; set; }
    public bool ParallelCalls { get; set; } = true;
    /// <summary>What the messages carry beside text, in words: "image", "file report.pdf".</summary>
    public List<string> Media { get; } = [];
    public int Tokens { get; set; }
    public int? MaxTokens { get; set; }
    public List<string> Stop { get; } = [];
    public int Candidates { get; set; } = 1;
    public bool Stream { get; set; }
    public bool Reasons { get; set; }
    public bool WantsJson { get; set; }
    /// <summary>Undefined: any JSON object will do.</summary>
    public JsonElement JsonSchema { get; set; }
    /// <summary>A hash of the conversation; the same one gives the same answer.</summary>
    public ulong Seed { get; private set; } = 0xCBF29CE484222325;

    /// <summary>Counts a text as read and lets it change the answer.</summary>
    public void AddText(string text)
    {
        Tokens += Simulator.Tokens.Count(text);
        Seed = Dice.Hash(Seed, text);
    }
}

internal sealed record SimulatedCall(string Id, string Name, string Arguments);

internal enum Finish { Stop, StopSequence, Length, ToolCalls, Filtered }

/// <summary>One candidate.</summary>
internal sealed class SimulatedReply
{
    public string Reasoning { get; set; } = "";
    public string Text { get; set; } = "";
    /// <summary>The text as a stream sends it; usually one token a piece.</summary>
    public List<string> Pieces { get; set; } = [];
    public string? Refusal { get; set; }
    public List<SimulatedCall> Calls { get; } = [];
    public Finish Finish { get; set; }
    public string? StopSequence { get; set; }
    public int ReasoningTokens { get; set; }
    public int OutputTokens { get; set; }
}
