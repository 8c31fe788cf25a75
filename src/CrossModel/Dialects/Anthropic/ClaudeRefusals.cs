namespace CrossModel.Dialects.Anthropic;

/// <summary>What one upstream has refused in requests to Claude, and is not sent there again.</summary>
internal sealed class ClaudeRefusals
{
    public RefusedThinking Thinking { get; } = new();

    public RefusedSchemas Schemas { get; } = new();

    /// <summary>The fault of a request, after a look at what it is about: the same request may be worth another try, without.</summary>
    /// <param name="upstream">Its body is in Anthropic's form or in Converse's.</param>
    public UpstreamFault Learn(UpstreamFault fault, UpstreamRequest upstream) =>
        fault is { Failure: UpstreamFailure.Rejected, Message: { } message } && (Thinking.Learn(message, upstream.Body.Memory) || Schemas.Learn(message, upstream))
            ? fault with { TryAgain = true }
            : fault;
}
