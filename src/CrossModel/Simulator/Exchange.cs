using System.Buffers;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>
/// One request: 1 read and record it, 2 find its script, 3 fail before the reply if told to, 4 judge the request as the provider
/// would, 5 answer, in one piece or streamed.
/// </summary>
internal sealed class Exchange(SimulatorOptions options, ScriptSource scripts, RequestLog log, FastReplies fast)
{
    private const int LongestBody = 256 << 20;

    public async Task HandleAsync(HttpContext http, CancellationToken stopping)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
        var (buffer, length) = await ReadBodyAsync(http.Request, ends.Token);
        var record = Record(http.Request, buffer.AsSpan(0, length));
        var (clientLeft, writer) = (false, (WireWriter?)null);
        try
        {
            if (await fast.TrySendAsync(http, buffer.AsMemory(0, length), ends.Token))
                return;
            var wire = WireTable.Find(http.Request, options.Time, out var otherwise);
            if (wire is null)
                await SendOtherAsync(http, otherwise, ends.Token);
            else
                await AnswerAsync(http, wire, buffer.AsMemory(0, length), made => writer = made, ends.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            clientLeft = http.RequestAborted.IsCancellationRequested && writer is not { WeAborted: true } && !stopping.IsCancellationRequested;
            if (stopping.IsCancellationRequested)
                http.Abort();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            record?.End(clientLeft);
        }
    }

    private async Task AnswerAsync(HttpContext http, SimulatedWire wire, ReadOnlyMemory<byte> body, Action<WireWriter> announce, CancellationToken gone)
    {
        using var document = JsonParts.Parse(body);
        var headFault = wire.CheckHead(http.Request, body.Span);
        var bodyFault = Judge(wire, document);
        var error = headFault ?? bodyFault;
        if (scripts.Find(http.Request.Headers, wire.Prompt.UserText, wire.Prompt.Model, out var script) is { } misspelt)
            error = new WireError(400, misspelt, "invalid_simulation");
        wire.Script = script;
        var writer = new WireWriter(http, script, options.Time, gone);
        announce(writer);

        if (script.Delay > TimeSpan.Zero)
            await Task.Delay(script.Delay, options.Time, gone);
        if (script.Break is { After: -1 } early)
        {
            await writer.BreakAsync(early.Kind);
            return;
        }
        if (error is { Unknown: true } && script.Lenient)
            error = error.Behind;
        foreach (var name in script.Refuse)
            if (document?.RootElement.Get(name).Exists() == true)
                error ??= new WireError(400, $"Unsupported parameter: '{name}' is not supported with this model.", "unsupported_parameter", Param: name);
        if (script.Blocked == "prompt")
            error ??= wire.PromptBlocked();
        if (Author.IsTooMuch(wire.Prompt, script))
            error ??= new WireError(400,
                $"n = {wire.Prompt.Candidates} replies of this length are more than is simulated at once. Ask for fewer, or for shorter ones.", "invalid_simulation");
        if (script.Redirect is not null || script.Status is not null || error is not null)
        {
            await FailAsync(http, wire, writer, script, error);
            return;
        }
        wire.AddHeaders(http.Response.Headers, null);
        var replies = Enumerable.Range(0, wire.Prompt.Candidates).Select(index => Author.Compose(wire.Prompt, script, index)).ToList();
        if (script.Streams ?? wire.Prompt.Stream)
            await writer.StreamAsync(wire, wire.Stream(replies), script.Pace ?? options.TokensPerSecond);
        else
            await writer.PlainAsync(200, script.ContentType ?? "application/json", script.Break?.Kind switch
            {
                BreakKind.Garbage => "{\"id\":\"simulated\",<<< this is not JSON"u8.ToArray(),
                BreakKind.Error => wire.ErrorBody(FaultError(script, 500)),
                _ => wire.Plain(replies),
            });
    }

    private static WireError? Judge(SimulatedWire wire, JsonDocument? document)
    {
        try
        {
            if (document is not null)
                return wire.Read(document.RootElement);
        }
        catch (InvalidOperationException)
        {
            // JSON whose strings are no Unicode text (a lone surrogate) parses, but no string comes out of it.
        }
        return new WireError(400, "We could not parse the JSON body of your request.");
    }

    private static async Task FailAsync(HttpContext http, SimulatedWire wire, WireWriter writer, FaultScript script, WireError? error)
    {
        if (script.Redirect is not null)
            http.Response.Headers.Location = script.Redirect;
        var status = script.Status ?? (script.Redirect is not null ? 302 : error!.Status);
        var said = script.Status is not null || script.Redirect is not null ? FaultError(script, status) : error!;
        if (script.RetryAfter is not null)
            http.Response.Headers.RetryAfter = script.RetryAfter;
        wire.AddHeaders(http.Response.Headers, said);
        var (type, body) = script.Body switch
        {
            "html" => ("text/html", "<html><head><title>Bad gateway</title></head><body><h1>A proxy, not the provider, says this</h1></body></html>"u8.ToArray()),
            "text" => ("text/plain", "upstream connect error or disconnect before headers"u8.ToArray()),
            "empty" => ("", []),
            _ => ("application/json", wire.ErrorBody(said)),
        };
        await writer.PlainAsync(status, script.ContentType ?? type, body);
    }

    public static WireError FaultError(FaultScript script, int status) => new(status, script.Message ?? status switch
    {
        401 => "Incorrect API key provided.",
        402 => "Insufficient balance.",
        404 => "The model does not exist or you do not have access to it.",
        429 => "Rate limit reached for requests. Please try again later.",
        503 or 529 => "The engine is currently overloaded, please try again later.",
        >= 500 => "The server had an error while processing your request. Sorry about that!",
        _ => "The simulator was told to refuse this request.",
    }, script.Code, script.Type);

    private async Task SendOtherAsync(HttpContext http, int status, CancellationToken gone)
    {
        var path = http.Request.Path.Value ?? "";
        var models = path is "/v1/models" or "/models";
        var one = path.StartsWith("/v1/models/", StringComparison.Ordinal) ? path["/v1/models/".Length..] : null;
        var found = HttpMethods.IsGet(http.Request.Method) && (models || one is not null);
        http.Response.StatusCode = found ? 200 : status;
        http.Response.ContentType = "application/json";
        await http.Response.Body.WriteAsync(found
            ? OpenAIWire.ModelList(options.Time, one)
            : new OpenAIWire { Time = options.Time }.ErrorBody(
                new WireError(status, $"Unknown request: {http.Request.Method} {path}", "unknown_url", "invalid_request_error")), gone);
    }

    private RecordedRequest? Record(HttpRequest request, ReadOnlySpan<byte> body)
    {
        if (!log.IsOn)
            return null;
        var target = request.HttpContext.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
        var record = new RecordedRequest { Method = request.Method, Path = target, Headers = RecordedRequest.HeadersOf(request), Body = body.ToArray() };
        log.Add(record);
        return record;
    }

    /// <summary>The buffer is the pool's and must go back.</summary>
    private static async Task<(byte[] Buffer, int Length)> ReadBodyAsync(HttpRequest request, CancellationToken gone)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(request.ContentLength ?? 4_096, 4_096, LongestBody) + 1);
        for (var length = 0; ;)
        {
            var read = await request.Body.ReadAsync(buffer.AsMemory(length), gone);
            if (read == 0)
                return (buffer, length);
            length += read;
            if (length < buffer.Length)
                continue;
            var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
            buffer.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }
    }
}
