using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Writes the content blocks of user messages and tool results: texts, images, documents, videos, audio. Answers a refusal where one cannot be sent.</summary>
internal sealed class BedrockBlocks(Utf8JsonWriter json, RemoteLinks remote, HashSet<string> hints)
{
    private const int LargestImage = 3840 * 1024;

    private readonly DocumentNames _names = new();
    private bool _hasText;
    private bool _hasDocument;

    /// <summary>A message with a document must have a text beside it.</summary>
    public bool NeedsText => _hasDocument && !_hasText;

    /// <summary>
    /// What a cache point may follow: a block of the same message, and not a document that is no PDF, behind which the API refuses one. Behind another
    /// point it says nothing.
    /// </summary>
    public Ending EndsIn { get; private set; }

    public enum Ending { Nothing, Block, OtherDocument, CachePoint }

    public void BeginMessage() => (_hasText, _hasDocument, EndsIn) = (false, false, Ending.Nothing);

    /// <summary>Something was written that is no block of these here: a call, a result, reasoning.</summary>
    public void NoteBlock() => EndsIn = Ending.Block;

    /// <summary>Behind what the caller marked; where no point can stand the mark is named.</summary>
    public void WriteMark(BedrockFamily family, JsonElement mark)
    {
        if (EndsIn == Ending.CachePoint) return;
        if (EndsIn != Ending.Block) hints.Add("cache_control");
        else
        {
            WriteCachePoint(json, family, mark, hints);
            if (family.CachePoints) EndsIn = Ending.CachePoint;
        }
    }

    /// <summary>A place up to which the prompt may be cached.</summary>
    public static void WriteCachePoint(Utf8JsonWriter json, BedrockFamily family, JsonElement mark, HashSet<string> hints)
    {
        if (!family.CachePoints)
        {
            hints.Add("cache_control");
            return;
        }
        json.WriteStartObject();
        json.WriteStartObject("cachePoint"u8);
        json.WriteString("type"u8, "default"u8);
        if (mark.TryGetProperty("ttl"u8, out var life) && life.ValueKind == JsonValueKind.String && life.ValueEquals("1h"u8))
        {
            if (family.IsClaude) json.WriteString("ttl"u8, "1h"u8);
            else hints.Add("cache_control.ttl");
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }

    public void WriteText(string text)
    {
        NoteBlock();
        _hasText = true;
        json.WriteStartObject();
        json.WriteString("text"u8, text);
        json.WriteEndObject();
    }

    public void WriteText(JsonElement text)
    {
        NoteBlock();
        _hasText = true;
        json.WriteStartObject();
        json.WriteRaw("text"u8, text);
        json.WriteEndObject();
    }

    /// <param name="place">The block's path, for a refusal.</param>
    /// <param name="begin">Called before the block is written.</param>
    public ApiError? Write(JsonElement block, string place, Action begin) => block.GetProperty("type"u8).GetString() switch
    {
        "image_url" => WriteImageUrl(block.GetProperty("image_url"u8), place + ".image_url", begin),
        "video_url" => WriteLinked(block.GetProperty("video_url"u8).GetProperty("url"u8), "video", MediaFormats.Videos, place + ".video_url.url", begin),
        "video" => WriteFrames(block.GetProperty("video"u8), place + ".video", begin),
        "input_audio" => WriteAudio(block.GetProperty("input_audio"u8), begin),
        "file" => WriteFile(block.GetProperty("file"u8), place + ".file", begin),
        var type => Refused(place, $"Models on Bedrock do not read {type}. Leave the block out, or choose another model."),
    };

    private static ApiError Refused(string place, string what) => ApiErrors.UnsupportedParameter(place, what);

    private ApiError? WriteImageUrl(JsonElement image, string place, Action begin)
    {
        if (image.TryGetProperty("detail"u8, out var detail) && detail.ValueKind == JsonValueKind.String && !detail.ValueEquals("auto"u8)) hints.Add("image_url.detail");
        return WriteLinked(image.GetProperty("url"u8), "image", MediaFormats.Images, place + ".url", begin);
    }

    private ApiError? WriteFrames(JsonElement frames, string place, Action begin)
    {
        if (frames.ValueKind == JsonValueKind.String) return WriteLinked(frames, "image", MediaFormats.Images, place, begin);
        var index = 0;
        foreach (var frame in frames.EnumerateArray())
        {
            var at = $"{place}[{index++}]";
            if (frame.ValueKind != JsonValueKind.String) return ApiErrors.InvalidMessages(at, "A frame is the URL of an image.");
            if (WriteLinked(frame, "image", MediaFormats.Images, at, begin) is { } refusal) return refusal;
        }
        return null;
    }

    private ApiError? WriteLinked(JsonElement url, string kind, HashSet<string> formats, string place, Action begin)
    {
        var text = url.Utf8Text();
        if (text.StartsWith("s3://"u8)) return WriteStored(Encoding.UTF8.GetString(text), kind, formats, place, begin);
        if (RemoteLinks.IsWeb(text))
        {
            if (kind == "video")
                return Refused(place, "Bedrock fetches no links, and the gateway no films for it."
                    + " Send the video as a data URL (data:video/…;base64,…), or from a bucket as s3://… where the operator allows it (fetchRemote).");
            if (remote.Want(text, place, RemoteKind.Image, LargestImage) is { } refusal) return refusal;
            WriteInline(kind, RemoteLinks.AnyType, text, begin);
            return null;
        }
        if (!DataUrl.TryRead(text, out var data)) return Refused(place, $"Bedrock reads {(kind == "image" ? "an" : "a")} {kind} from a data URL in base64: data:{kind}/…;base64,….");
        var type = kind == "image" ? data.Sniffed ?? data.MediaType : data.MediaType;
        if (MediaFormats.OfType(type) is not { } format || !formats.Contains(format))
            return Refused(place, $"Bedrock reads {string.Join(", ", formats)}, not {ApiErrors.Echo(type)}. Convert it first.");
        WriteInline(kind, format, data.Base64, begin);
        return null;
    }

    /// <summary>
    /// Where a file lies in a bucket its ending is all that tells the format. It is read with the operator's own rights: only where the operator has
    /// allowed it.
    /// </summary>
    private ApiError? WriteStored(string address, string kind, HashSet<string> formats, string place, Action begin)
    {
        if (!remote.MayFetch)
            return Refused(place, "Bedrock would read this address with the operator's rights."
                + $" Send the {kind} as a data URL (data:{kind}/…;base64,…), or ask the operator to allow such addresses (fetchRemote).");
        if (MediaFormats.OfName(address) is not { } format || !formats.Contains(format))
            return Refused(place, $"The object's name must end in one of {string.Join(", ", formats)}.");
        begin();
        Begin(kind, format);
        json.WriteStartObject("s3Location"u8);
        json.WriteString("uri"u8, address);
        json.WriteEndObject();
        End();
        return null;
    }

    private ApiError? WriteAudio(JsonElement audio, Action begin)
    {
        begin();
        NoteBlock();
        json.WriteStartObject();
        json.WriteStartObject("audio"u8);
        json.WriteString("format"u8, audio.GetProperty("format"u8).GetString());
        json.WriteStartObject("source"u8);
        json.WriteString("bytes"u8, audio.GetProperty("data"u8).Utf8Text());
        End();
        return null;
    }

    private ApiError? WriteFile(JsonElement file, string place, Action begin)
    {
        if (file.TryGetProperty("file_id"u8, out var id) && id.ValueKind == JsonValueKind.String)
            return Refused(place + ".file_id", "File ids belong to one provider. Send the file itself in file_data.");
        if (!file.TryGetProperty("file_data"u8, out var content) || content.ValueKind != JsonValueKind.String)
            return Refused(place, "Bedrock reads files from file_data only. Send the file itself there.");
        place += ".file_data";
        var text = content.Utf8Text();
        var title = file.TryGetProperty("filename"u8, out var name) && name.ValueKind == JsonValueKind.String ? name.GetString()! : "";
        if (RemoteLinks.IsWeb(text))
        {
            if (remote.Want(text, place, RemoteKind.Document) is { } refusal) return refusal;
            WriteDocument(MediaFormats.OfName(title) ?? RemoteLinks.AnyType, title, text, begin);
            return null;
        }
        if (!DataUrl.TryRead(text, out var data)) return Refused(place, "Send the file as a data URL in base64: data:application/pdf;base64,….");
        var type = data.Sniffed ?? data.MediaType;
        var format = MediaFormats.OfType(type) ?? MediaFormats.OfName(title) ?? (type.StartsWith("text/", StringComparison.Ordinal) ? "txt" : null);
        if (format is not null && MediaFormats.Images.Contains(format))
        {
            WriteInline("image", format, data.Base64, begin);
            return null;
        }
        if (format is null || !MediaFormats.Documents.Contains(format))
            return Refused(place, $"Bedrock reads {string.Join(", ", MediaFormats.Documents)}, not {ApiErrors.Echo(type)}. Convert it first.");
        WriteDocument(format, title, data.Base64, begin);
        return null;
    }

    private void WriteDocument(string format, string title, ReadOnlySpan<byte> base64, Action begin)
    {
        begin();
        _hasDocument = true;
        EndsIn = format == "pdf" ? Ending.Block : Ending.OtherDocument;
        json.WriteStartObject();
        json.WriteStartObject("document"u8);
        json.WriteString("format"u8, format);
        json.WriteString("name"u8, _names.Of(title));
        json.WriteStartObject("source"u8);
        json.WriteString("bytes"u8, base64);
        End();
    }

    private void WriteInline(string kind, string format, ReadOnlySpan<byte> base64, Action begin)
    {
        begin();
        Begin(kind, format);
        json.WriteString("bytes"u8, base64);
        End();
    }

    private void Begin(string kind, string format)
    {
        NoteBlock();
        json.WriteStartObject();
        json.WriteStartObject(kind);
        json.WriteString("format"u8, format);
        json.WriteStartObject("source"u8);
    }

    private void End()
    {
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
