using System.Net;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Tests.Running;

/// <summary>Whose address is believed behind proxies.</summary>
public sealed class CallerAddressTests
{
    private static DefaultHttpContext From(string peer, string? forwardedFor = null, string host = "127.0.0.1:8080")
    {
        var http = new DefaultHttpContext();
        http.Connection.RemoteIpAddress = IPAddress.Parse(peer);
        http.Request.Host = new HostString(host);
        if (forwardedFor is not null) http.Request.Headers["X-Forwarded-For"] = forwardedFor;
        return http;
    }

    [Theory]
    [InlineData("203.0.113.9", null, "203.0.113.9")]
    [InlineData("::ffff:127.0.0.1", null, "127.0.0.1")]
    [InlineData("10.0.0.5", "203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.5", "127.0.0.1, 203.0.113.9", "203.0.113.9")] // the caller wrote the first one itself
    [InlineData("10.0.0.5", "203.0.113.9, 192.168.1.1", "203.0.113.9")] // two trusted proxies
    [InlineData("10.0.0.5", "203.0.113.9:4711", "203.0.113.9")]
    [InlineData("10.0.0.5", "[2001:db8::1]:80", "2001:db8::1")]
    [InlineData("10.0.0.5", "unknown", null)]
    [InlineData("10.0.0.5", "", null)]
    [InlineData("10.0.0.6", "127.0.0.1", null)] // this proxy is not trusted
    public void Address_IsThatOfTheLastOneWhoIsNoTrustedProxy(string peer, string? forwardedFor, string? expected) =>
        Assert.Equal(expected, CallerAddress.Of(From(peer, forwardedFor), ["10.0.0.5", "192.168.0.0/16"])?.ToString());

    [Theory]
    [InlineData("127.0.0.1", null, "127.0.0.1:8080", true)]
    [InlineData("::1", null, "[::1]:8080", true)]
    [InlineData("127.0.0.1", null, "localhost", true)]
    [InlineData("127.0.0.1", null, "api.example.com", false)]
    [InlineData("127.0.0.1", "127.0.0.1", "localhost", false)]
    [InlineData("192.168.1.7", null, "localhost", false)]
    [InlineData("192.168.0.1", "127.0.0.1", "localhost", true)] // a trusted proxy's own word
    public void Loopback_IsOnlyWhatNobodyPassedOn(string peer, string? forwardedFor, string host, bool expected) =>
        Assert.Equal(expected, CallerAddress.IsLoopback(From(peer, forwardedFor, host), ["192.168.0.1"]));
}
