using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>How the parameters are spelled on the wire.</summary>
internal static class ChatParameters
{
    /// <summary>The names in the order of <see cref="ChatParameter"/>.</summary>
    public static NameTable Table { get; } = new([.. Enum.GetNames<ChatParameter>().Select(JsonNamingPolicy.SnakeCaseLower.ConvertName)]);

    /// <summary>E.g. <c>max_completion_tokens</c>.</summary>
    public static string Name(ChatParameter parameter) => Table.Names[(int)parameter];
}
