using System.Text;
using CrossModel.Protocol;
using Xunit;

namespace CrossModel.Tests.Protocol;

/// <summary>What the hold is computed from.</summary>
public sealed class PromptSizeTests
{
    [Theory]
    [InlineData("""{"role":"user","content":"12345"}""", 5)]
    [InlineData("""{"role":"user","content":"\n\u00e9\u4e2d\ud83d\ude00\\\""}""", 1 + 2 + 3 + 4 + 2)]
    [InlineData("""{"role":"user","content":"é中😀"}""", 2 + 3 + 4)]
    [InlineData("""{"role":"user","name":"abc","content":[{"type":"text","text":"12"},{"type":"text","text":"3"}]}""", 6)]
    [InlineData("""{"role":"assistant","content":"1","reasoning_content":"234","refusal":"5"}""", 5)]
    [InlineData("""{"role":"assistant","function_call":{"name":"f","arguments":"{\"a\":1}"}}""", 8)]
    public void TextBytes_CountTextAsTheModelReadsIt(string message, long bytes)
    {
        using var request = Requests.Accepted(Requests.Messages(message));
        Assert.Equal((1, bytes), (request.Prompt.Messages, request.Prompt.TextBytes));
    }

    [Fact]
    public void Base64_IsNeverText()
    {
        var inline = Convert.ToBase64String(new byte[3000]);
        using var request = Requests.Accepted(Requests.Messages($$$"""
            {"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,{{{inline}}}"}},{"type":"image_url","image_url":{"url":"https://x/y"}},
             {"type":"input_audio","input_audio":{"data":"{{{inline}}}","format":"wav"}},
             {"type":"file","file":{"file_data":"data:application/pdf;base64,{{{inline}}}"}},{"type":"file","file":{"file_data":"https://x/y.pdf"}},
             {"type":"video_url","video_url":{"url":"https://x/y"}},{"type":"video","video":["data:image/png;base64,{{{inline}}}"]}]}
            """));
        var size = request.Prompt;
        Assert.Equal((0L, 2, 1, 3000L, 2, 3000L, 2), (size.TextBytes, size.Images, size.Audios, size.AudioBytes, size.Files, size.FileBytes, size.Videos));
    }

    [Fact]
    public void ToolsAndSchemas_CountAsTheyStand()
    {
        const string Tools = """[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]""";
        const string Format = """{"type":"json_schema","json_schema":{"name":"s","schema":{}}}""";
        using var request = Requests.Accepted(Requests.With($"\"tools\":{Tools},\"response_format\":{Format}"));
        Assert.Equal(2 + Encoding.UTF8.GetByteCount(Tools + Format), request.Prompt.TextBytes);
    }
}
