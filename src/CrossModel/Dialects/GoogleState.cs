namespace CrossModel.Dialects;

/// <summary>The state that Google's models think their calls from, whichever of Google's endpoints carries it.</summary>
internal static class GoogleState
{
    /// <summary>Whose it is, in the memory. Both forms of the Gemini API take each other's.</summary>
    public const string Kind = "gemini";

    /// <summary>Google's documented marker that skips the check.</summary>
    public static ReadOnlySpan<byte> SkipMarker => "skip_thought_signature_validator"u8;
}
