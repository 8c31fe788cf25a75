using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Support;
using CrossModel.Upstreams;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Tests.Upstreams;

/// <summary>What the gateway fetches for callers and what it never does, against a real server. Loopback stands for the public internet: 127.0.0.1 is allowed, 127.0.0.2 is private.</summary>
public sealed class RemoteFilesTests : IAsyncLifetime
{
    private static readonly IPAddress Public = IPAddress.Loopback;
    private static readonly IPAddress Private = IPAddress.Parse("127.0.0.2");
    private static readonly byte[] Png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==");

    private readonly ConcurrentQueue<(string Path, Dictionary<string, string> Headers)> _seen = [];
    private readonly ConcurrentQueue<string> _resolved = [];
    private readonly TcpListener _private = new(Private, 0);
    private Func<HttpContext, Task> _answer = http => Task.CompletedTask;
    private Func<string, IPAddress[]> _addresses = _ => [Public];
    private WebApplication _server = null!;
    private int _taken;

    private int Port => new Uri(_server.Urls.First()).Port;
    private int PrivatePort => ((IPEndPoint)_private.LocalEndpoint).Port;
    private string At(string path, string host = "files.example") => $"http://{host}:{Port}{path}";

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Limits.MinResponseDataRate = null);
        _server = builder.Build();
        _server.Urls.Add("http://127.0.0.1:0");
        _server.Run(http =>
        {
            _seen.Enqueue((http.Request.Path, http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString())));
            return _answer(http);
        });
        await _server.StartAsync();
        _private.Start();
    }

    public async ValueTask DisposeAsync()
    {
        // Whatever happened: what is private was never connected to.
        Assert.False(_private.Pending());
        _private.Dispose();
        await _server.DisposeAsync();
    }

    private static RemoteLink Link(string url, RemoteKind kind = RemoteKind.Image, int most = RemoteLinks.LargestFile) => new(url, "messages[0].content[1].image_url.url", kind, most);

    private RemoteFiles Files(TimeProvider? time = null, Func<IPAddress, bool>? isAllowed = null) => new(isAllowed ?? (a => a.Equals(Public)), time ?? TimeProvider.System, (host, _) =>
    {
        _resolved.Enqueue(host);
        return Task.FromResult(_addresses(host));
    });

    private async Task<(IReadOnlyList<RemoteFile> Files, ApiError? Refusal)> FetchAsync(params RemoteLink[] links)
    {
        await using var files = Files();
        return await files.FetchAsync(links, Take, TestContext.Current.CancellationToken);
    }

    private ApiError? Take(int count)
    {
        Interlocked.Add(ref _taken, count);
        return null;
    }

    [Fact]
    public async Task Certificate_WhoseIssuerLiesAtAPrivateAddress_IsNotBelieved_AndNobodyAsksThere()
    {
        using var issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var issuer = new CertificateRequest("CN=issuer", issuerKey, HashAlgorithmName.SHA256);
        issuer.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        using var issuing = issuer.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(150));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=files.example", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("files.example");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [$"http://{Private}:{PrivatePort}/issuer.cer"]));
        using var bare = request.Create(issuing, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(140), [1, 2, 3]);
        using var certificate = bare.CopyWithPrivateKey(key);
        using var listener = new TcpListener(Public, 0);
        listener.Start();
        async Task ShakeAsync()
        {
            using var client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
            await using var tls = new SslStream(client.GetStream());
            // The certificate alone: who wants to believe it must find its issuer.
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) }, TestContext.Current.CancellationToken);
            await tls.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        }

        // But for its issuer the certificate is good, as one sees who can do without.
        var served = ShakeAsync();
        var faults = SslPolicyErrors.None;
        using (var client = new TcpClient())
        {
            await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, TestContext.Current.CancellationToken);
            await using var tls = new SslStream(client.GetStream());
            var options = new SslClientAuthenticationOptions { TargetHost = "files.example", CertificateChainPolicy = ClientTls.Options.CertificateChainPolicy };
            options.RemoteCertificateValidationCallback = (_, _, _, found) => (faults = found) == SslPolicyErrors.RemoteCertificateChainErrors;
            await tls.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken);
        }
        await served;
        Assert.Equal(SslPolicyErrors.RemoteCertificateChainErrors, faults);

        served = ShakeAsync();
        var refusal = await RefusalAsync(Link($"https://files.example:{((IPEndPoint)listener.LocalEndpoint).Port}/x.png"));

        Assert.Contains("No public web server answers there.", refusal, StringComparison.Ordinal);
        Assert.False(_private.Pending());
        await Task.WhenAny(served);
    }

    private async Task<string> RefusalAsync(RemoteLink link)
    {
        var (files, refusal) = await FetchAsync(link);
        Assert.Empty(files);
        Assert.Equal((400, "invalid_messages", link.Place), (refusal!.Status, refusal.Code, refusal.Param));
        Assert.Contains("data URL", refusal.Message, StringComparison.Ordinal);
        foreach (var secret in new[] { "127.0.0", "files.example", "example" }) Assert.DoesNotContain(secret, refusal.Message, StringComparison.Ordinal);
        return refusal.Message;
    }

    private static Func<HttpContext, Task> Sending(byte[] body, string? type, Action<HttpContext>? more = null) => async http =>
    {
        http.Response.ContentType = type;
        more?.Invoke(http);
        await http.Response.Body.WriteAsync(body);
    };

    [Fact]
    public async Task Image_OnAPublicServer_IsFetchedWithNothingButItsAddress()
    {
        _answer = Sending(Png, "image/png");
        var (files, refusal) = await FetchAsync(Link(At("/a.png?size=2#top")));
        Assert.Null(refusal);
        var file = Assert.Single(files);
        Assert.Equal("image/png", file.MediaType);
        Assert.Equal(Png, file.Bytes.Span.ToArray());
        Assert.Equal(Png.Length, _taken);
        Assert.Equal(["Accept-Encoding=identity", $"Host=files.example:{Port}", "User-Agent=crossmodel"], Assert.Single(_seen).Headers.Select(h => $"{h.Key}={h.Value}").Order());
        file.Dispose();
    }

    [Fact]
    public async Task SameAddress_ManyTimes_IsFetchedOnce_AndOthersBesideIt()
    {
        _answer = Sending(Png, "image/png");
        var (files, _) = await FetchAsync(Link(At("/a")), Link(At("/b")), Link(At("/a")));
        Assert.Equal(3, files.Count);
        Assert.Same(files[0], files[2]);
        Assert.Equal(["/a", "/b"], _seen.Select(s => s.Path).Order());
    }

    [Theory]
    [InlineData("127.0.0.2")]
    [InlineData("2130706434")]
    [InlineData("0x7f000002")]
    [InlineData("0177.0.0.2")]
    [InlineData("127.2")]
    [InlineData("[::ffff:127.0.0.2]")]
    [InlineData("[::1]")]
    [InlineData("private.example")]
    public async Task Host_ThatIsPrivateInAnySpelling_IsNeverConnectedTo(string host)
    {
        _addresses = _ => [Private];
        await using var files = Files(isAllowed: a => (a.IsIPv4MappedToIPv6 ? a.MapToIPv4() : a).Equals(Public));
        var (_, refusal) = await files.FetchAsync([Link($"http://{host}:{PrivatePort}/")], Take, TestContext.Current.CancellationToken);
        Assert.Equal(400, refusal?.Status);
    }

    [Fact]
    public async Task Private_Unknown_AndClosed_AreOneAndTheSameRefusal()
    {
        _addresses = host => host switch { "private.example" => [Private], "unknown.example" => throw new SocketException((int)SocketError.HostNotFound), _ => [Public] };
        var mute = new TcpListener(Public, 0);
        mute.Start();
        var closed = ((IPEndPoint)mute.LocalEndpoint).Port;
        mute.Stop();
        var messages = new[]
        {
            await RefusalAsync(Link($"http://private.example:{PrivatePort}/a")),
            await RefusalAsync(Link(At("/a", "unknown.example"))),
            await RefusalAsync(Link($"http://closed.example:{closed}/a")),
            // No TLS is spoken there.
            await RefusalAsync(Link(At("/a").Replace("http:", "https:", StringComparison.Ordinal))),
        };
        Assert.Single(messages.Distinct());
    }

    [Fact]
    public async Task Name_ThatMeansAnotherAddressNextTime_IsConnectedToWhereItWasJudged()
    {
        // Two records, one private: only the allowed one is used. Asked again the name means the private one alone.
        var answers = new Queue<IPAddress[]>([[Private, Public], [Private], [Private]]);
        _addresses = _ => answers.Dequeue();
        _answer = Sending(Png, "image/png");
        var (files, _) = await FetchAsync(Link($"http://rebinding.example:{Port}/a"));
        Assert.Single(files);
        Assert.Single(_resolved);
        await RefusalAsync(Link($"http://rebinding.example:{PrivatePort}/a"));
        // The same client: no connection of the first request is left over for the second.
        await using var client = Files();
        answers = new Queue<IPAddress[]>([[Public], [Private]]);
        _ = await client.FetchAsync([Link(At("/a"))], Take, TestContext.Current.CancellationToken);
        Assert.NotNull((await client.FetchAsync([Link(At("/a"))], Take, TestContext.Current.CancellationToken)).Refusal);
    }

    [Fact]
    public async Task Name_OfSeveralAddresses_IsFetchedFromTheNext_WhereOneDoesNotAnswer()
    {
        var mute = IPAddress.Parse("127.0.0.3");
        _addresses = _ => [mute, Public];
        _answer = Sending(Png, "image/png");
        await using var files = Files(isAllowed: a => a.Equals(Public) || a.Equals(mute));
        Assert.Null((await files.FetchAsync([Link(At("/a"))], Take, TestContext.Current.CancellationToken)).Refusal);
    }

    [Fact]
    public async Task Redirect_ToAPrivateAddress_IsNotFollowed()
    {
        _answer = http =>
        {
            http.Response.Redirect($"http://127.0.0.2:{PrivatePort}/");
            return Task.CompletedTask;
        };
        await RefusalAsync(Link(At("/a")));
        Assert.Single(_seen);
    }

    [Theory]
    [InlineData(3, true)]
    [InlineData(4, false)]
    public async Task Redirects_AreFollowedThreeTimes(int count, bool isFetched)
    {
        _answer = http =>
        {
            var hop = int.Parse(http.Request.Path.Value![1..], System.Globalization.CultureInfo.InvariantCulture);
            if (hop == count) return Sending(Png, "image/png")(http);
            http.Response.StatusCode = hop % 2 == 0 ? 308 : 307;
            http.Response.Headers.Location = hop % 2 == 0 ? $"/{hop + 1}" : At($"/{hop + 1}", "other.example");
            return Task.CompletedTask;
        };
        var (files, refusal) = await FetchAsync(Link(At("/0")));
        Assert.Equal(isFetched, files.Count == 1);
        Assert.Equal(isFetched ? null : 400, refusal?.Status);
        Assert.Equal(4, _seen.Count);
    }

    [Theory]
    [InlineData("https://a.example/x", "http://a.example/y", null)]
    [InlineData("https://a.example/x", "/y", "https://a.example/y")]
    [InlineData("http://a.example/x", "https://b.example/y", "https://b.example/y")]
    [InlineData("http://a.example/x", "ftp://b.example/y", null)]
    [InlineData("http://a.example/x", "file:///etc/passwd", null)]
    [InlineData("http://a.example/x", "http://user:word@b.example/y", null)]
    [InlineData("http://a.example/x", "ws://b.example/y", null)]
    [InlineData("http://a.example/x", "http://b.example:25/y", null)]
    [InlineData("http://a.example/x", "http://b.example:1023/y", null)]
    [InlineData("http://a.example/x", "http://b.example:1024/y", "http://b.example:1024/y")]
    public void Redirect_IsHeldToTheSameRules(string from, string location, string? to) =>
        Assert.Equal(to, RemoteFiles.Next(new Uri(from), new Uri(location, UriKind.RelativeOrAbsolute))?.ToString());

    [Theory]
    [InlineData("ftp://127.0.0.1/a.png")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://user:word@127.0.0.1/a.png")]
    [InlineData("http://user@127.0.0.1/a.png")]
    [InlineData("http://127.0.0.1:25/a.png")]
    [InlineData("http://127.0.0.1:22/a.png")]
    [InlineData("http://")]
    [InlineData("http://127.0.0.1:99999/a.png")]
    public async Task Address_OfAnotherForm_IsRefused(string url) => Assert.Contains("http:// or https://", await RefusalAsync(Link(url)), StringComparison.Ordinal);

    [Theory]
    [InlineData(404)]
    [InlineData(204)]
    [InlineData(206)]
    [InlineData(302)]
    [InlineData(500)]
    public async Task Status_OtherThan200_IsRefused(int status)
    {
        _answer = http =>
        {
            http.Response.StatusCode = status;
            return Task.CompletedTask;
        };
        Assert.Contains($"status {status}", await RefusalAsync(Link(At("/a"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Size_OverTheLimit_IsRefused_WhetherAnnouncedOrNot(bool isAnnounced)
    {
        var sent = 0;
        _answer = async http =>
        {
            if (isAnnounced) http.Response.ContentLength = 1001;
            for (var i = 0; i < 1001; i++)
            {
                await http.Response.Body.WriteAsync(new byte[1], http.RequestAborted);
                sent++;
            }
        };
        Assert.Contains("larger than 1000 bytes", await RefusalAsync(Link(At("/a"), most: 1000)), StringComparison.Ordinal);
        if (isAnnounced) Assert.Equal(0, _taken);
    }

    [Fact]
    public async Task Size_OfAStreamWithoutEnd_IsReadNoFurtherThanTheLimit()
    {
        var cut = new TaskCompletionSource();
        _answer = async http =>
        {
            http.RequestAborted.Register(cut.SetResult);
            while (!http.RequestAborted.IsCancellationRequested) await http.Response.Body.WriteAsync(new byte[64 * 1024]);
        };
        await RefusalAsync(Link(At("/a"), most: 1024 * 1024));
        await cut.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.InRange(_taken, 1, 1024 * 1024);
    }

    [Fact]
    public async Task Bytes_ThatTheGatewayHasNoRoomFor_EndIt()
    {
        _answer = Sending(Png, "image/png");
        await using var files = Files();
        var (_, refusal) = await files.FetchAsync([Link(At("/a"))], _ => ApiErrors.ModelUnavailable("full"), TestContext.Current.CancellationToken);
        Assert.Equal(503, refusal?.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Time_OverTheLimitForAllTogether_IsRefused_HoweverItIsSpent(bool drips)
    {
        var clock = new FakeClock();
        var here = new TaskCompletionSource();
        _answer = async http =>
        {
            if (http.Request.Path == "/quick")
            {
                await Sending(Png, "image/png")(http);
                return;
            }
            if (drips) await http.Response.Body.WriteAsync(Png.AsMemory(0, 10));
            here.TrySetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        };
        await using var client = Files(clock);
        var fetching = client.FetchAsync([Link(At("/quick")), Link(At("/slow"))], Take, TestContext.Current.CancellationToken);
        await here.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        clock.Advance(RemoteFiles.Patience - TimeSpan.FromSeconds(1));
        Assert.False(fetching.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));
        var (files, refusal) = await fetching.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.Empty(files);
        Assert.Contains("10 seconds", refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OneThatFails_EndsTheOthers_AndIsNamed()
    {
        _answer = http =>
        {
            if (http.Request.Path == "/slow") return Task.Delay(Timeout.Infinite, http.RequestAborted);
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        };
        var (_, refusal) = await FetchAsync(Link(At("/slow")), Link(At("/gone")) with { Place = "here" });
        Assert.Equal("here", refusal?.Param);
    }

    [Fact]
    public async Task Caller_WhoLeaves_EndsIt()
    {
        using var leaving = new CancellationTokenSource();
        _answer = http =>
        {
            leaving.Cancel();
            return Task.Delay(Timeout.Infinite, http.RequestAborted);
        };
        await using var files = Files();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => files.FetchAsync([Link(At("/a"))], Take, leaving.Token));
    }

    public static TheoryData<int, string?, string, string?> Types() => new()
    {
        // Kind (0 image, 1 document, 2 video), declared type, first bytes, what it is taken for.
        { 0, "image/jpeg", "PNG", "image/png" },
        { 0, "application/octet-stream", "PNG", "image/png" },
        { 0, null, "GIF89a", "image/gif" },
        { 0, "image/png", "<html>log in</html>", null },
        { 0, "image/svg+xml", "<svg/>", null },
        { 0, "application/pdf", "%PDF-1.7", null },
        { 0, "image/png", "", null },
        { 1, "application/octet-stream", "%PDF-1.7", "application/pdf" },
        { 1, "application/pdf", "<html>log in</html>", null },
        { 1, "text/csv; charset=utf-8", "a,b", "text/csv" },
        { 1, "APPLICATION/JSON", "{}", "application/json" },
        { 1, "audio/mpeg", "sound", "audio/mpeg" },
        { 1, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
        { 1, "image/png", "none", null },
        { 1, "application/zip", "PK", null },
        { 1, "application/octet-stream", "?", null },
        { 1, null, "words", null },
        { 1, "text/plain", "", null },
        { 2, "video/mp4", "....ftypisom", "video/mp4" },
        { 2, "text/html", "<html>", null },
        { 2, "video/mp4", "PNG", null },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Type_IsToldByTheFirstBytes_ElseByTheServer_AndMustFitTheBlock(int kind, string? declared, string bytes, string? expected)
    {
        _answer = Sending(bytes == "PNG" ? Png : Encoding.ASCII.GetBytes(bytes), declared);
        var (files, refusal) = await FetchAsync(Link(At("/a.png"), (RemoteKind)kind));
        Assert.Equal(expected, files.SingleOrDefault()?.MediaType);
        Assert.Equal(expected is null, refusal is not null);
    }

    [Fact]
    public async Task Compressed_IsNotUnpacked()
    {
        _answer = Sending([0x1f, 0x8b, 8, 0], "text/plain", http => http.Response.Headers.ContentEncoding = "gzip");
        Assert.Contains("compressed", await RefusalAsync(Link(At("/a"), RemoteKind.Document)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_ThatBreaksOff_IsRefused()
    {
        var come = new TaskCompletionSource();
        _answer = async http =>
        {
            http.Response.ContentLength = 1000;
            await http.Response.Body.WriteAsync(Png);
            await come.Task;
            http.Abort();
        };
        await using var files = Files();
        var (_, refusal) = await files.FetchAsync([Link(At("/a"))], _ =>
        {
            come.TrySetResult();
            return null;
        }, TestContext.Current.CancellationToken);
        Assert.Contains("broke off", refusal?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cookies_AreNotKept()
    {
        _answer = Sending(Png, "image/png", http => http.Response.Headers.SetCookie = "a=b");
        await using var client = Files();
        for (var i = 0; i < 2; i++) _ = await client.FetchAsync([Link(At("/a"))], Take, TestContext.Current.CancellationToken);
        Assert.All(_seen, s => Assert.False(s.Headers.ContainsKey("Cookie")));
    }
}
