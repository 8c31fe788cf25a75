using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>Images, audio, files and video as parts: their bytes inline, or an address that the provider reads itself.</summary>
internal sealed class GeminiMedia(Utf8JsonWriter json, GeminiHost host, GeminiModel model, RemoteLinks remote)
{
    private const string Inline = "Send the content as a data URL (data:TYPE;base64,…).";

    private readonly List<string> _details = [];
    private bool _hasOtherDetail;

    /// <summary>What is written is said by the model.</summary>
    public bool IsModels { get; set; }

    /// <summary>Older models take one resolution for the whole request: given only if all images ask for the same.</summary>
    public string? Resolution(List<string> ignored)
    {
        if (_hasOtherDetail) ignored.Add("image_url.detail");
        if (model.IsThirdGeneration || _details.All(detail => detail == "")) return null;
        if (_details.Distinct().Count() == 1) return _details[0];
        if (!_hasOtherDetail) ignored.Add("image_url.detail");
        return null;
    }

    /// <summary>Writes the part of one block that is no text.</summary>
    /// <param name="place">E.g. <c>messages[3].content[1]</c>.</param>
    public ApiError? Write(JsonElement block, string place) => block.GetProperty("type"u8).GetString() switch
    {
        "image_url" => WriteImage(block.GetProperty("image_url"u8), place + ".image_url"),
        "input_audio" => WriteAudio(block.GetProperty("input_audio"u8), place + ".input_audio"),
        "video_url" => Address(block.GetProperty("video_url"u8).GetProperty("url"u8), place + ".video_url.url", RemoteKind.Video, "video/*", null),
        "video" => WriteFrames(block.GetProperty("video"u8), place + ".video"),
        "file" => WriteFile(block.GetProperty("file"u8), place + ".file"),
        _ => ApiErrors.UnsupportedParameter(place, "This model does not read such content blocks. Leave it out, or choose another model."),
    };

    private ApiError? WriteImage(JsonElement image, string place)
    {
        var detail = image.TryGetProperty("detail"u8, out var given) && given.ValueKind == JsonValueKind.String ? given.GetString() : null;
        var resolution = detail switch { "low" => "MEDIA_RESOLUTION_LOW", "high" => "MEDIA_RESOLUTION_HIGH", _ => null };
        _hasOtherDetail |= detail is not (null or "auto") && resolution is null;
        _details.Add(resolution ?? "");
        return Address(image.GetProperty("url"u8), place + ".url", RemoteKind.Image, "image/jpeg", resolution);
    }

    private ApiError? WriteAudio(JsonElement audio, string place)
    {
        var format = audio.GetProperty("format"u8).GetString()!;
        var data = audio.GetProperty("data"u8).Utf8Text();
        if (DataUrl.IsOne(data)) return WriteData(data, place + ".data", null);
        WriteInline("audio/" + format, data, null);
        return null;
    }

    private ApiError? WriteFrames(JsonElement video, string place)
    {
        if (video.ValueKind == JsonValueKind.String) return Address(video, place, RemoteKind.Video, "video/*", null);
        var position = 0;
        foreach (var frame in video.EnumerateArray())
        {
            if (frame.ValueKind != JsonValueKind.String) return ApiErrors.InvalidMessages($"{place}[{position}]", "A frame of a video is an image URL.");
            if (Address(frame, $"{place}[{position++}]", RemoteKind.Image, "image/jpeg", null) is { } refusal) return refusal;
        }
        return null;
    }

    private ApiError? WriteFile(JsonElement file, string place)
    {
        if (!file.TryGetProperty("file_data"u8, out var data) || data.ValueKind != JsonValueKind.String)
            return ApiErrors.UnsupportedParameter(place + ".file_id", "This model cannot look up uploaded files. " + Inline);
        var name = file.TryGetProperty("filename"u8, out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        var text = data.Utf8Text();
        if (DataUrl.IsOne(text) || text.IndexOf("://"u8) >= 0) return Address(data, place + ".file_data", RemoteKind.Document, MimeTypes.Of(name) ?? "application/pdf", null);
        WriteInline(MimeTypes.Of(name) ?? "application/pdf", text, null);
        return null;
    }

    private ApiError? Address(JsonElement url, string place, RemoteKind kind, string usualType, string? resolution)
    {
        var text = url.Utf8Text();
        if (DataUrl.IsOne(text)) return WriteData(text, place, resolution);
        var address = Encoding.UTF8.GetString(text);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri)) return ApiErrors.InvalidMessages(place, $"{ApiErrors.Echo(place)} is no URL. {Inline}");
        if (!IsReadByProvider(uri, kind))
        {
            if (!RemoteLinks.IsWeb(text)) return ApiErrors.UnsupportedParameter(place, "This model does not read such addresses. " + Inline);
            if (remote.Want(text, place, kind) is { } refusal) return refusal;
            WriteInline(RemoteLinks.AnyType, text, resolution);
            return null;
        }
        json.WriteStartObject();
        json.WriteStartObject("fileData"u8);
        json.WriteString("fileUri"u8, address);
        json.WriteString("mimeType"u8, MimeTypes.Of(uri.AbsolutePath) ?? usualType);
        json.WriteEndObject();
        End(resolution);
        return null;
    }

    private bool IsReadByProvider(Uri uri, RemoteKind kind)
    {
        if (uri.Scheme == "gs") return host.CloudStorage;
        if (uri.Scheme != Uri.UriSchemeHttps) return false;
        if (uri.Host is "youtube.com" or "www.youtube.com" or "youtu.be") return true;
        if (uri.Host == "generativelanguage.googleapis.com") return host.FilesApi;
        // Pictures and documents only: a film on some server is not fetched.
        return kind != RemoteKind.Video && host.FetchesAddresses && model.FetchesAddresses;
    }

    private ApiError? WriteData(ReadOnlySpan<byte> url, string place, string? resolution)
    {
        var comma = url.IndexOf((byte)',');
        var head = comma < 0 ? default : url["data:".Length..comma];
        if (!DataUrl.IsBase64(head) || head.IndexOf((byte)'/') <= 0)
            return ApiErrors.InvalidMessages(place, $"{ApiErrors.Echo(place)} is no data URL of the form data:TYPE;base64,DATA.");
        // Clients mislabel (image/jpg), and the API refuses a type that it does not know.
        var type = DataUrl.TryRead(url, out var data) && data.Sniffed is { } seen ? seen : Encoding.UTF8.GetString(head[..head.IndexOf((byte)';')]).ToLowerInvariant();
        WriteInline(type, url[(comma + 1)..], resolution);
        return null;
    }

    private void WriteInline(string type, ReadOnlySpan<byte> data, string? resolution)
    {
        json.WriteStartObject();
        json.WriteStartObject("inlineData"u8);
        json.WriteString("mimeType"u8, type);
        json.WriteString("data"u8, data);
        json.WriteEndObject();
        // What callers send back has lost the picture's own.
        if (IsModels && model.SignsAllParts) json.WriteString("thoughtSignature"u8, GoogleState.SkipMarker);
        End(resolution);
    }

    private void End(string? resolution)
    {
        if (resolution is not null && model.IsThirdGeneration)
        {
            json.WriteStartObject("mediaResolution"u8);
            json.WriteString("level"u8, resolution);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }
}
