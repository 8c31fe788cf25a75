namespace CrossModel.Dialects.OpenAI;

/// <summary>How a model wants to be asked otherwise than its server's preset says.</summary>
[Flags]
internal enum Lesson
{
    None = 0,
    NoStreamOptions = 1 << 0,
    /// <summary>It gives one reply at a time.</summary>
    OneCandidate = 1 << 1,
    /// <summary>It does not take reasoning of earlier turns.</summary>
    NoReasoning = 1 << 2,
    /// <summary>It wants reasoning on every assistant message, and does not count "" as such.</summary>
    WantsReasoning = 1 << 3,
    /// <summary>A plain reply is collected from a stream.</summary>
    StreamsOnly = 1 << 4,
    /// <summary>It does not know the role developer.</summary>
    NoDeveloper = 1 << 5,
    /// <summary>A function without parameters must say so.</summary>
    WantsParameters = 1 << 6,
    /// <summary>It takes contents that are a text only: neither blocks nor null.</summary>
    WantsTexts = 1 << 7,
    /// <summary>It takes no word for how much to think. It may still be kept from it.</summary>
    NoEfforts = 1 << 8,
    /// <summary>It takes functions only where it is kept from thinking.</summary>
    ToolsUnthinking = 1 << 9,
    /// <summary>It can be made to call only where it is kept from thinking.</summary>
    ForcedUnthinking = 1 << 10,
}
