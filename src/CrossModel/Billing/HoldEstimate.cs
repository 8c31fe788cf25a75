using CrossModel.Protocol;

namespace CrossModel.Billing;

/// <summary>What a hold is computed from.</summary>
/// <param name="PromptTokens">Estimated tokens of one call's prompt.</param>
/// <param name="OutputTokens">Tokens that one candidate may have.</param>
/// <param name="Calls">Upstream calls made for the request: each reads the whole prompt.</param>
/// <param name="Candidates">Candidates of all calls together: each may have OutputTokens.</param>
/// <param name="AudioTokens">The part of PromptTokens that is sound.</param>
/// <param name="Speaks">The reply is asked to be spoken.</param>
internal readonly record struct HoldSize(long PromptTokens, long OutputTokens, int Calls = 1, int Candidates = 1, int Images = 0, long AudioSeconds = 0, long AudioTokens = 0, bool Speaks = false)
{
    /// <summary>Tokens of the whole hold, for limits.</summary>
    public long Tokens => PromptTokens * Calls + OutputTokens * Candidates;
}

/// <summary>Tokens held for media, a unit each.</summary>
/// <param name="Page">A page is 3,000 bytes of a file.</param>
internal sealed record MediaTokens(long Image, long Page, long AudioSecond, long Video);

/// <summary>Tokens before anybody has counted them: estimates for holds, and the stated count where an upstream gives no usage.</summary>
internal static class HoldEstimate
{
    /// <summary>Output tokens held for a caller without a cap, unless the model's own maximum is lower.</summary>
    private const long DefaultOutput = 8192;

    /// <summary>A caller without a cap is served with a lowered one down to this many tokens; below it the call is refused.</summary>
    public const long SmallestCap = 256;

    private const long MostOutput = 1_000_000_000_000;
    private const long BytesPerPage = 3000;
    // Compressed audio at 128 kbit/s. Uncompressed audio has more bytes a second: a WAV file says how many, and others are estimated too high.
    private const long AudioBytesPerSecond = 16_000;

    /// <summary>ceil(text bytes ÷ 3) + 8 a message + media.</summary>
    public static long PromptTokens(in PromptSize size, MediaTokens media)
    {
        var pages = Math.Max(size.Files, Ceil(size.FileBytes, BytesPerPage));
        return Ceil(size.TextBytes, 3) + 8L * size.Messages + size.Images * media.Image + pages * media.Page
            + AudioSeconds(size) * media.AudioSecond + size.Videos * media.Video;
    }

    /// <summary>Seconds of inline audio, where it does not tell them estimated from its bytes; at least one an audio block.</summary>
    public static long AudioSeconds(in PromptSize size) => Math.Max(size.Audios, Ceil(size.AudioBytes + size.WavMilliseconds * (AudioBytesPerSecond / 1000), AudioBytesPerSecond));

    /// <summary>The caller's cap, else the smaller of the model's maximum and 8,192. Beyond a trillion it is no more: products of it must stay numbers.</summary>
    public static long OutputTokens(long? callersCap, long? modelMaximum) =>
        Math.Min(callersCap ?? Math.Min(modelMaximum ?? DefaultOutput, DefaultOutput), MostOutput);

    /// <summary>Tokens of a text whose upstream gave no usage (basis "counted"): UTF-8 bytes ÷ 4, rounded up.</summary>
    public static long CountTokens(long textBytes) => Ceil(textBytes, 4);

    /// <summary>What a caller is told who cannot pay the hold (402).</summary>
    /// <param name="affordable">Output tokens that the free money would pay.</param>
    public static string Refusal(long needed, long held, long available, long affordable) =>
        $"Insufficient balance: needed {Usd.Format(needed)}, held {Usd.Format(held)}, available {Usd.Format(Math.Max(0, available))} USD; "
        + $"{affordable} output tokens would be affordable. Add credit, ask for fewer tokens (max_completion_tokens) or wait for calls in flight to end.";

    private static long Ceil(long value, long unit) => value <= 0 ? 0 : (value - 1) / unit + 1;
}
