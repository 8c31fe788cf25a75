namespace CrossModel.Simulator;

/// <summary>A request as the simulator received it, byte for byte.</summary>
internal sealed class RecordedRequest
{
    private readonly TaskCompletionSource<bool> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public required string Method { get; init; }

    /// <summary>Path and query as they stood on the request line, percent-encoding kept.</summary>
    public required string Path { get; init; }

    /// <summary>Header names are case-insensitive; several values are joined with a comma.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    public required byte[] Body { get; init; }

    /// <summary>Completes when the reply is over: true when the client left before its end.</summary>
    public Task<bool> Ended => _ended.Task;

    public bool ClientLeft => _ended.Task.IsCompletedSuccessfully && _ended.Task.Result;

    internal void End(bool clientLeft) => _ended.TrySetResult(clientLeft);

    internal static IReadOnlyDictionary<string, string> HeadersOf(HttpRequest request)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in request.Headers)
            headers[name] = value.ToString();
        return headers;
    }
}

/// <summary>The newest requests, oldest first; never more than <paramref name="limit"/>.</summary>
internal sealed class RequestLog(int limit)
{
    private readonly Lock _lock = new();
    private readonly Queue<RecordedRequest> _requests = new();

    public bool IsOn => limit > 0;

    public void Add(RecordedRequest request)
    {
        lock (_lock)
        {
            if (_requests.Count == limit)
                _requests.Dequeue();
            _requests.Enqueue(request);
        }
    }

    public IReadOnlyList<RecordedRequest> Snapshot()
    {
        lock (_lock)
            return [.. _requests];
    }
}
