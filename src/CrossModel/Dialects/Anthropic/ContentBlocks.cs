using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using System.Text.Unicode;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Writes the content blocks of user messages and tool results: text, images, documents. One a block; answers a refusal where Claude cannot read it.</summary>
internal sealed class ContentBlocks(Utf8JsonWriter json, AnthropicForm form, RemoteLinks remote, HashSet<string> hints)
{
    /// <param name="place">The block's path, for a refusal.</param>
    /// <param name="begin">Called before the block's object is written, and not at all for a block that is left out.</param>
    public ApiError? Write(JsonElement block, string place, JsonElement mark, Action begin)
    {
        var type = block.GetProperty("type"u8).GetString();
        if (ChatMessage.HasMark(block, out var own)) mark = own;
        return type switch
        {
            "text" => WriteText(block.GetProperty("text"u8), mark, begin),
            "refusal" => WriteText(block.GetProperty("refusal"u8), mark, begin),
            "image_url" => WriteImage(block.GetProperty("image_url"u8), place + ".image_url", mark, begin),
            "file" => WriteFile(block.GetProperty("file"u8), place + ".file", mark, begin),
            _ => Refused(place, $"Claude does not read {type}. Leave the block out, or choose another model."),
        };
    }

    /// <summary>Blank text is left out: the API refuses it. A mark on it goes with it, and is named.</summary>
    public ApiError? WriteText(JsonElement text, JsonElement mark, Action begin)
    {
        if (text.IsBlank())
        {
            if (mark.ValueKind == JsonValueKind.Object) hints.Add("cache_control");
            return null;
        }
        begin();
        json.WriteStartObject();
        json.WriteString("type"u8, "text"u8);
        json.WriteRaw("text"u8, text);
        WriteEnd(mark);
        return null;
    }

    private static ApiError Refused(string place, string what) => ApiErrors.UnsupportedParameter(place, what);

    private ApiError? WriteImage(JsonElement image, string place, JsonElement mark, Action begin)
    {
        if (image.TryGetProperty("detail"u8, out var detail) && detail.ValueKind == JsonValueKind.String && !detail.ValueEquals("auto"u8)) hints.Add("image_url.detail");
        var url = image.GetProperty("url"u8).Utf8Text();
        if (!DataUrl.IsOne(url)) return WriteLink(RemoteKind.Image, url, null, place + ".url", mark, begin);
        if (!DataUrl.TryRead(url, out var data)) return Refused(place + ".url", "Claude reads images from data URLs in base64: data:image/png;base64,…");
        var type = data.Sniffed ?? data.MediaType;
        if (type is not ("image/jpeg" or "image/png" or "image/gif" or "image/webp"))
            return Refused(place + ".url", $"Claude reads JPEG, PNG, GIF and WebP images, not {ApiErrors.Echo(type)}. Convert it first.");
        WriteInline("image"u8, type, data.Base64, null, mark, begin);
        return null;
    }

    private ApiError? WriteFile(JsonElement file, string place, JsonElement mark, Action begin)
    {
        if (file.TryGetProperty("file_id"u8, out var id) && id.ValueKind == JsonValueKind.String)
            return Refused(place + ".file_id", "File ids belong to one provider. Send the file itself in file_data.");
        if (!file.TryGetProperty("file_data"u8, out var content) || content.ValueKind != JsonValueKind.String)
            return Refused(place, "Claude reads files from file_data only. Send the file itself there.");
        var title = file.TryGetProperty("filename"u8, out var name) && name.ValueKind == JsonValueKind.String ? name.GetString() : null;
        place += ".file_data";
        var text = content.Utf8Text();
        if (RemoteLinks.IsWeb(text)) return WriteLink(RemoteKind.Document, text, title, place, mark, begin);
        if (!DataUrl.TryRead(text, out var data)) return Refused(place, "Send the file as a data URL in base64: data:application/pdf;base64,…");
        var type = data.Sniffed ?? data.MediaType;
        if (type == "application/pdf")
        {
            WriteInline("document"u8, type, data.Base64, title, mark, begin);
            return null;
        }
        if (type is "image/jpeg" or "image/png" or "image/gif" or "image/webp")
        {
            WriteInline("image"u8, type, data.Base64, null, mark, begin);
            return null;
        }
        if (!type.StartsWith("text/", StringComparison.Ordinal) && type is not ("application/json" or "application/xml" or "application/yaml"))
            return Refused(place, $"Claude reads PDF and text files, not {ApiErrors.Echo(type)}. Convert it first.");
        var decoded = new byte[Base64.GetMaxDecodedFromUtf8Length(data.Base64.Length)];
        if (Base64.DecodeFromUtf8(data.Base64, decoded, out _, out var length) != OperationStatus.Done || !Utf8.IsValid(decoded.AsSpan(0, length)))
            return Refused(place, "The file is not base64 of UTF-8 text.");
        Begin("document"u8, "text"u8, begin);
        json.WriteString("media_type"u8, "text/plain"u8);
        json.WriteString("data"u8, decoded.AsSpan(0, length));
        json.WriteEndObject();
        if (title is not null) json.WriteString("title"u8, title);
        WriteEnd(mark);
        return null;
    }

    private ApiError? WriteLink(RemoteKind kind, ReadOnlySpan<byte> url, string? title, string place, JsonElement mark, Action begin)
    {
        var type = kind == RemoteKind.Image ? "image"u8 : "document"u8;
        if (form.ReadsLinks && url.StartsWith("https://"u8))
        {
            Begin(type, "url"u8, begin);
            json.WriteString("url"u8, url);
            json.WriteEndObject();
            if (title is not null) json.WriteString("title"u8, title);
            WriteEnd(mark);
            return null;
        }
        if (!RemoteLinks.IsWeb(url)) return Refused(place, form.ReadsLinks ? "Send an https URL or a data URL (data:TYPE;base64,…)." : "Send a data URL (data:TYPE;base64,…).");
        if (form.ReadsLinks && !remote.MayFetch)
            return Refused(place, "Claude reads links that begin with https."
                + " Send such a one or a data URL (data:TYPE;base64,…), or ask the operator to let the gateway fetch others (fetchRemote).");
        if (remote.Want(url, place, kind) is { } refusal) return refusal;
        WriteInline(type, RemoteLinks.AnyType, url, title, mark, begin);
        return null;
    }

    private void WriteInline(ReadOnlySpan<byte> type, string mediaType, ReadOnlySpan<byte> base64, string? title, JsonElement mark, Action begin)
    {
        Begin(type, "base64"u8, begin);
        json.WriteString("media_type"u8, mediaType);
        json.WriteString("data"u8, base64);
        json.WriteEndObject();
        if (title is not null) json.WriteString("title"u8, title);
        WriteEnd(mark);
    }

    private void Begin(ReadOnlySpan<byte> type, ReadOnlySpan<byte> source, Action begin)
    {
        begin();
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteStartObject("source"u8);
        json.WriteString("type"u8, source);
    }

    private void WriteEnd(JsonElement mark)
    {
        if (mark.ValueKind == JsonValueKind.Object) json.WriteRaw("cache_control"u8, mark);
        json.WriteEndObject();
    }
}
