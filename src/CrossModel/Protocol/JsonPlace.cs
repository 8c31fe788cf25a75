using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>Finds what a refusal's <c>param</c> names: <c>messages[3].content[1].image_url.url</c>.</summary>
internal static class JsonPlace
{
    /// <summary>Where the value stands. The body is one that was read, and the place is there.</summary>
    public static JsonSpan Find(ReadOnlySpan<byte> body, string place)
    {
        var json = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = ChatRequestReader.MaxDepth });
        json.Read();
        foreach (var step in place.Split(['.', '[']))
        {
            json.Read();
            if (step.EndsWith(']')) SkipElements(ref json, int.Parse(step.AsSpan()[..^1], System.Globalization.CultureInfo.InvariantCulture));
            else SkipTo(ref json, step);
        }
        var start = (int)json.TokenStartIndex;
        json.Skip();
        return new JsonSpan(start, (int)json.BytesConsumed - start);
    }

    private static void SkipElements(ref Utf8JsonReader json, int count)
    {
        for (; count > 0; count--)
        {
            json.Skip();
            json.Read();
        }
    }

    private static void SkipTo(ref Utf8JsonReader json, string name)
    {
        while (!json.ValueTextEquals(name))
        {
            json.Read();
            json.Skip();
            json.Read();
        }
        json.Read();
    }
}
