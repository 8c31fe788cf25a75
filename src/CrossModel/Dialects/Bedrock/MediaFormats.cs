namespace CrossModel.Dialects.Bedrock;

/// <summary>What Converse calls the formats that it reads.</summary>
internal static class MediaFormats
{
    public static readonly HashSet<string> Documents = ["pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"];
    public static readonly HashSet<string> Images = ["png", "jpeg", "gif", "webp"];
    public static readonly HashSet<string> Videos = ["mp4", "mov", "mkv", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp"];

    private static readonly Dictionary<string, string> Types = new()
    {
        ["image/png"] = "png",
        ["image/jpeg"] = "jpeg",
        ["image/jpg"] = "jpeg",
        ["image/gif"] = "gif",
        ["image/webp"] = "webp",
        ["application/pdf"] = "pdf",
        ["text/csv"] = "csv",
        ["text/html"] = "html",
        ["text/plain"] = "txt",
        ["text/markdown"] = "md",
        ["application/msword"] = "doc",
        ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"] = "docx",
        ["application/vnd.ms-excel"] = "xls",
        ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"] = "xlsx",
        ["application/json"] = "txt",
        ["application/xml"] = "txt",
        ["application/yaml"] = "txt",
        ["video/mp4"] = "mp4",
        ["video/quicktime"] = "mov",
        ["video/x-matroska"] = "mkv",
        ["video/webm"] = "webm",
        ["video/x-flv"] = "flv",
        ["video/mpeg"] = "mpeg",
        ["video/x-ms-wmv"] = "wmv",
        ["video/3gpp"] = "three_gp",
    };

    /// <summary>Of a media type; null: none that is known.</summary>
    public static string? OfType(string type) => Types.GetValueOrDefault(type);

    /// <summary>By the name's ending; null: none, or none that is known.</summary>
    public static string? OfName(string name) => Path.GetExtension(name).TrimStart('.').ToLowerInvariant() switch
    {
        "jpg" => "jpeg",
        "htm" => "html",
        "3gp" => "three_gp",
        var ending when Documents.Contains(ending) || Images.Contains(ending) || Videos.Contains(ending) => ending,
        _ => null,
    };
}
