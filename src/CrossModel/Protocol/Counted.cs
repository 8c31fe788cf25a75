namespace CrossModel.Protocol;

/// <summary>A number with its word, for people: <c>1 request</c>, <c>2 requests</c>.</summary>
internal static class Counted
{
    public static string Of(long number, string one, string? many = null) => $"{number} {(number == 1 ? one : many ?? one + "s")}";
}
