using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Recordings;

/// <summary>A gateway with a model for every recording, each behind an upstream of its own that plays the recorded bytes.</summary>
public sealed class RecordingBench : IAsyncLifetime
{
    internal ScriptedUpstream Upstream { get; private set; } = null!;
    internal TestGateway Gateway { get; private set; } = null!;

    /// <summary>The upstream sends its bytes one at a time.</summary>
    internal bool Drips { get; set; }

    public async ValueTask InitializeAsync()
    {
        if (Recording.All.Count == 0) return;
        Upstream = await ScriptedUpstream.StartAsync(PlayAsync);
        Gateway = await TestGateway.StartAsync(Upstream.BaseUrl, more: "\"unknownParameters\": \"forward\",",
            upstreams: string.Concat(Recording.All.Select(r => $$""", "{{r.Name}}": { "dialect": "openai"{{(r.Preset == "" ? "" : $", \"preset\": \"{r.Preset}\"")}}, "unknownParameters": "forward", "baseUrl": "{{Upstream.Address}}{{r.Name}}" }""")),
            models: string.Join(",", Recording.All.Select(r => $$""" "{{r.Model}}": { "routes": [ { "upstream": "{{r.Name}}", "model": "{{r.UpstreamModel}}" } ], "price": { "input": 1, "output": 1 } } """)));
    }

    private async Task PlayAsync(HttpContext http, Received received)
    {
        var recording = Recording.Get(received.Path.Split('/')[1]);
        http.Response.StatusCode = recording.Status;
        http.Response.ContentType = recording.IsStream ? "text/event-stream" : "application/json";
        if (!Drips)
        {
            await http.Response.Body.WriteAsync(recording.Body);
            return;
        }
        // Of a very long one the middle comes in one piece.
        var isLong = recording.Body.Length > 100_000;
        for (var i = 0; i < recording.Body.Length;)
        {
            var count = isLong && i == 2048 ? recording.Body.Length - 4096 : 1;
            await http.Response.Body.WriteAsync(recording.Body.AsMemory(i, count));
            await http.Response.Body.FlushAsync();
            i += count;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Recording.All.Count == 0) return;
        await Gateway.DisposeAsync();
        await Upstream.DisposeAsync();
    }

    internal async Task<HttpReply> AskAsync(Recording recording)
    {
        using var response = await Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", recording.Asked(), Gateway.Key);
        return await Http.ReadAsync(response);
    }
}
