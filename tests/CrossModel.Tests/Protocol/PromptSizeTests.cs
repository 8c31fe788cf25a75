using System.Text;

namespace CrossModel.Tests.Protocol;

/// <summary>What the hold is computed from.</summary>
public sealed class PromptSizeTests
{
    private const int FurtherOn = 0xFFFE;

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

    /// <summary>An uncompressed second has as many bytes as its file says: by the fields that decoders go by, whatever the others say.</summary>
    [Theory]
    [InlineData(1, 2, 44_100, 16, 2000)]
    [InlineData(3, 1, 16_000, 32, 2000)]
    // What telephones and recognisers of speech use: its head alone would last a millisecond.
    [InlineData(1, 1, 16_000, 16, 2000)]
    [InlineData(1, 1, 8_000, 8, 2000)]
    [InlineData(FurtherOn, 1, 16_000, 16, 2000)]
    [InlineData(FurtherOn, 6, 48_000, 24, 2000)]
    // Compressed, or no such sound: by its bytes, as any other.
    [InlineData(2, 2, 44_100, 4, 0)]
    [InlineData(1, 0, 44_100, 16, 0)]
    [InlineData(1, 1, 800_000, 8, 0)]
    [InlineData(1, 2, 44_100, 15, 0)]
    public void Wav_LastsAsLongAsItSays(int format, int channels, int rate, int bits, long milliseconds)
    {
        var file = Convert.ToBase64String(Wav(format, channels, rate, bits, seconds: 2));
        // PHP writes every / as \/, and .NET every + as \u002B.
        foreach (var data in new[] { file, "data:audio/wav;base64," + file, "DATA:AUDIO/WAV;BASE64," + file, file.Replace("/", @"\/", StringComparison.Ordinal), file.Replace("/", @"\u002f", StringComparison.Ordinal).Replace("+", @"\u002B", StringComparison.Ordinal) })
        {
            using var request = Requests.Accepted(Requests.Messages($$$"""{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"{{{data}}}","format":"wav"}}]}"""));
            Assert.Equal((milliseconds, milliseconds > 0 ? 0 : file.Length * 3L / 4, 1), (request.Prompt.WavMilliseconds, request.Prompt.AudioBytes, request.Prompt.Audios));
        }
    }

    /// <summary>As ffmpeg writes it: who made the file stands before the sound.</summary>
    [Fact]
    public void Wav_WithWhoMadeIt_LastsAsLongAsItsSound()
    {
        var plain = Wav(1, channels: 1, rate: 16_000, bits: 16, seconds: 2);
        byte[] file = [.. plain[..36], .. "LIST\u001a\0\0\0INFOISFT\u000d\0\0\0Lavf59.27.100\0"u8, .. plain[36..]];
        using var request = Requests.Accepted(Requests.Messages($$$"""{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"{{{Convert.ToBase64String(file)}}}","format":"wav"}}]}"""));
        Assert.Equal((2000, 0), (request.Prompt.WavMilliseconds, request.Prompt.AudioBytes));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0x7FFFFFFF)]
    [InlineData(0x80000000)]
    [InlineData(0xFFFFFFF7)]
    [InlineData(0xFFFFFFF8)]
    [InlineData(0xFFFFFFFF)]
    public async Task Wav_WhoseChunksHaveAnyLength_IsReadToItsEnd(uint length)
    {
        foreach (var at in new[] { 16, 40 })
        {
            var file = Wav(1, channels: 1, rate: 16_000, bits: 16, seconds: 2);
            BitConverter.TryWriteBytes(file.AsSpan(at), length);
            var message = Requests.Messages($$$"""{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"{{{Convert.ToBase64String(file)}}}","format":"wav"}}]}""");
            using var request = await Task.Run(() => Requests.Accepted(message)).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
            Assert.InRange(request.Prompt.WavMilliseconds, 1997, 2000);
        }
    }

    /// <summary>A head that promises more bytes a second than there are would make long sound cheap: it counts only where nothing else can be read behind it.</summary>
    [Theory]
    // A decoder of MP3 passes over what stands before it.
    [InlineData("mp3", 1, 1)]
    [InlineData("mp3", FurtherOn, 1)]
    // MP3 and A-law in a WAV file.
    [InlineData("wav", FurtherOn, 0x55)]
    [InlineData("wav", FurtherOn, 6)]
    public void Wav_ThatIsNone_LastsAsLongAsItsBytes(string said, int format, int coding)
    {
        var file = Convert.ToBase64String(Wav(format, channels: 2, rate: 44_100, bits: 16, seconds: 2, coding));
        foreach (var audio in new[] { $$"""{"data":"{{file}}","format":"{{said}}"}""", $$"""{"format":"{{said}}","data":"{{file}}"}""" })
        {
            using var request = Requests.Accepted(Requests.Messages($$$"""{"role":"user","content":[{"type":"input_audio","input_audio":{{{audio}}}}]}"""));
            Assert.Equal((0, file.Length * 3L / 4), (request.Prompt.WavMilliseconds, request.Prompt.AudioBytes));
        }
    }

    private static byte[] Wav(int format, int channels, int rate, int bits, int seconds, int coding = 1)
    {
        var length = (long)channels * rate * bits / 8 * seconds;
        var more = format == FurtherOn ? 24 : 0;
        var file = new byte[44 + more + length];
        using var writer = new BinaryWriter(new MemoryStream(file));
        writer.Write("RIFF"u8);
        writer.Write((uint)(36 + more + length));
        writer.Write("WAVEfmt "u8);
        writer.Write(16 + more);
        writer.Write((ushort)format);
        writer.Write((ushort)channels);
        writer.Write(rate);
        // Bytes a second, which no decoder needs.
        writer.Write(uint.MaxValue);
        writer.Write((ushort)(channels * bits / 8));
        writer.Write((ushort)bits);
        if (more > 0)
        {
            writer.Write((ushort)22);
            writer.Write((ushort)bits);
            writer.Write((1 << channels) - 1);
            writer.Write((ushort)coding);
            writer.Write(Convert.FromHexString("000000001000800000AA00389B71"));
        }
        writer.Write("data"u8);
        writer.Write((uint)length);
        return file;
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
