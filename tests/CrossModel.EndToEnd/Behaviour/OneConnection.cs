using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>
/// A connection remembers what was worked out for the key that came on it last: it must never answer for another, nor outlive the key. And it is spared packets.
/// </summary>
public sealed class OneConnection
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    [Fact]
    public async Task Keys_InTurnsOnOneConnection_AreEachTheirOwn_AndARevokedOneIsRefused()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var elsewhere = await gateway.NewKeyAsync("elsewhere", 1m, models: ["other/*"]);
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, MaxConnectionsPerServer = 1 });

        async Task<string> AskAsync(string? key)
        {
            using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Address, "/v1/chat/completions")) { Content = new StringContent(Plain, Encoding.UTF8, "application/json") };
            if (key is not null) message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
            using var response = await http.SendAsync(message, TestContext.Current.CancellationToken);
            var reply = await Http.ReadAsync(response);
            return (int)reply.Status == 200 ? "served" : reply.ErrorCode!;
        }

        string?[] asked = [gateway.Key, gateway.Key, elsewhere, gateway.Key, elsewhere, elsewhere, null, gateway.Key, ApiKey.New(), gateway.Key];
        var answers = new List<string>();
        foreach (var key in asked) answers.Add(await AskAsync(key));

        Assert.Equal(["served", "served", "model_not_found", "served", "model_not_found", "model_not_found", "missing_api_key", "served", "invalid_api_key", "served"], answers);

        var keys = new KeyStore(gateway.Gateway.Database);
        await keys.ChangeAsync(Assert.Single(await keys.FindAsync(gateway.Key)).Entry.Id, k => k with { Revoked = true });

        await Until.TrueAsync(async () => await AskAsync(gateway.Key) == "invalid_api_key");
    }

    /// <summary>A small packet costs both sides as much as a large one: the end of a stream does not go out by itself.</summary>
    [Fact]
    public async Task Streams_OnOneConnection_EndInThePacketOfTheirLastEvent()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var body = Plain[..^1] + ",\"stream\":true}";
        var request = Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);

        var packet = new byte[16 * 1024];
        for (var i = 0; i < 20; i++)
        {
            await socket.SendAsync(request, TestContext.Current.CancellationToken);
            string last;
            do last = Encoding.ASCII.GetString(packet, 0, await socket.ReceiveAsync(packet, TestContext.Current.CancellationToken));
            while (last.Length > 0 && !last.Contains("[DONE]", StringComparison.Ordinal));

            Assert.EndsWith("\r\n0\r\n\r\n", last, StringComparison.Ordinal);
        }
    }
}
