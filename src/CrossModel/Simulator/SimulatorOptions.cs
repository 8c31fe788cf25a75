namespace CrossModel.Simulator;

/// <summary>How a simulated provider runs.</summary>
internal sealed record SimulatorOptions
{
    /// <summary>Where it listens; port 0 takes any free one. Default: loopback, any port.</summary>
    public string Url { get; init; } = "http://127.0.0.1:0";

    /// <summary>Pace of streams in tokens per second. Default 0: everything at once. A script's <c>pace</c> beats it.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>How many received requests are kept for <see cref="SimulatorHost.Requests"/>, the newest. Default 1,000; 0 keeps none.</summary>
    public int KeepRequests { get; init; } = 1_000;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
