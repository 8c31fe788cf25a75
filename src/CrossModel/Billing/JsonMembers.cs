using System.Text.Json;
using CrossModel.Accounts;

namespace CrossModel.Billing;

/// <summary>Members of the JSON that receipts, reports and the command line write alike.</summary>
internal static class JsonMembers
{
    /// <summary>Nano-dollars as a decimal string in USD.</summary>
    public static void Usd(this Utf8JsonWriter json, string name, long? nano) => json.WriteString(name, nano is { } amount ? Billing.Usd.Format(amount) : null);

    public static void Count(this Utf8JsonWriter json, string name, long? count)
    {
        if (count is { } number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }

    /// <summary>A member that is an array of objects.</summary>
    public static void Objects<T>(this Utf8JsonWriter json, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> members)
    {
        json.WritePropertyName(name);
        json.Objects(items, members);
    }

    /// <summary>An array of objects.</summary>
    public static void Objects<T>(this Utf8JsonWriter json, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> members)
    {
        json.WriteStartArray();
        foreach (var item in items)
        {
            json.WriteStartObject();
            members(json, item);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary><c>"limits": {rpm, tpm, parallel, spend_day, spend_month, spend_total}</c>, null where there is none.</summary>
    public static void Limits(this Utf8JsonWriter json, Terms terms)
    {
        json.WriteStartObject("limits");
        json.Count("rpm", terms.RequestsPerMinute);
        json.Count("tpm", terms.TokensPerMinute);
        json.Count("parallel", terms.Parallel);
        json.Usd("spend_day", terms.SpendDay);
        json.Usd("spend_month", terms.SpendMonth);
        json.Usd("spend_total", terms.SpendTotal);
        json.WriteEndObject();
    }

    /// <summary><c>"spend": {day, month, total}</c></summary>
    public static void Spend(this Utf8JsonWriter json, in Spent spent)
    {
        json.WriteStartObject("spend");
        json.Usd("day", spent.Day);
        json.Usd("month", spent.Month);
        json.Usd("total", spent.Total);
        json.WriteEndObject();
    }
}
