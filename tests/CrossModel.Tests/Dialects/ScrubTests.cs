using CrossModel.Dialects;

namespace CrossModel.Tests.Dialects;

/// <summary>A provider's words as callers and logs get them.</summary>
public sealed class ScrubTests
{
    private const string NoReason = "The model's provider refused the request and gave no reason.";

    [Theory]
    [InlineData("Traceback (most recent call last):\n  File \"/opt/vllm/serving_chat.py\", line 12, in f\nValueError: x", NoReason)]
    [InlineData("System.InvalidOperationException: too long\n   at Foo.Bar(String a) in /src/Foo.cs:line 12\n   at Foo.Baz()", "System.InvalidOperationException: too long")]
    [InlineData("TypeError: no\n    at Object.<anonymous> (/app/x.js:1:2)\n    at /app/y.js:3:4", "TypeError: no")]
    [InlineData("bad\n\tat com.foo.Bar.baz(Bar.java:12)", "bad")]
    [InlineData("panic: x\n\ngoroutine 1 [running]:\nmain.main()", "panic: x")]
    [InlineData("Tools must be\nat least 1 and at most 128 (you sent 200)", "Tools must be\nat least 1 and at most 128 (you sent 200)")]
    [InlineData("upstream gpu-node-7.internal.corp:8000 refused", "upstream [address] refused")]
    [InlineData("asked gpu.rack3.example:8443, no answer", "asked [address], no answer")]
    [InlineData("model.layers at vllm.svc.cluster.local/v1", "model.layers at [address]")]
    [InlineData("fd00::1 and [::1]:8000 and 2001:db8:0:0:0:0:0:1", "[address] and [address] and [address]")]
    [InlineData("at 12:30:45 std::vector::f at ratio 3:2, abc::def, a::b, ::add", "at 12:30:45 std::vector::f at ratio 3:2, abc::def, a::b, ::add")]
    [InlineData("config.device, properties.homepage, data.corporate_name and qwen.home-7b", "config.device, properties.homepage, data.corporate_name and qwen.home-7b")]
    [InlineData("key sk-abcdefgh of org-ABCDEF12 at 10.0.0.7:80", "key [key] of [account] at [address]")]
    public void Message_TellsNothingOfTheOperators(string said, string told) => Assert.Equal(told, Scrub.Message(said));

    /// <summary>A provider may quote a prompt of many lines: what it says is cut before it is searched.</summary>
    [Fact]
    public void Message_OfAMillionLines_IsReadAtOnce()
    {
        var started = TimeProvider.System.GetTimestamp();
        Assert.StartsWith("bad:", Scrub.Message("bad:" + string.Concat(Enumerable.Repeat("\n  ", 500_000))), StringComparison.Ordinal);
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    /// <summary>"EMPTY" is what people write where a server wants any key at all.</summary>
    [Fact]
    public void Fault_TakesNoWordForAnotherUpstreamsKey()
    {
        var others = new[] { new CrossModel.Configuration.UpstreamConfig { ApiKey = "EMPTY", BaseUrl = "http://vllm:8000/v1" }, new() { ApiKey = "a-key-of-some-length", BaseUrl = "http://gpu.rack.example/v1" } };
        var fault = new UpstreamFault(UpstreamFailure.Rejected, 400, "must be a non-empty array for vllm, not a-key-of-some-length at gpu.rack.example");
        Assert.Equal("must be a non-empty array for vllm, not [key] at [address]", Scrub.Fault(fault, new(), others, "{}"u8).Message);
    }

    /// <summary>Providers quote callers, and a terminal obeys what a log shows it.</summary>
    [Fact]
    public void Fault_WithWordsForATerminal_IsLoggedAsOneLineOfText()
    {
        var fault = new UpstreamFault(UpstreamFailure.Rejected, 400, Detail: "400 a: no \u001b[2J\u001b]0;title\u0007\u202eeht\nINFO all is well\u009b1m\u2028end");
        Assert.Equal("400 a: no  [2J ]0;title  eht INFO all is well 1m end", Scrub.Fault(fault, new(), [], "{}"u8).Detail);
    }
}
