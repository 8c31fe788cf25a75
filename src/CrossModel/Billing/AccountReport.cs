using System.Buffers;
using System.Text.Json;
using CrossModel.Accounts;
using CrossModel.Protocol;

namespace CrossModel.Billing;

/// <summary>An account as its own keys see it: <c>GET /v1/account</c>. Money as decimal strings in USD.</summary>
internal static class AccountReport
{
    /// <param name="keySpent">What the asking key spent.</param>
    public static void Write(IBufferWriter<byte> target, Caller caller, in Standing standing, in Spent keySpent)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteString("account"u8, caller.Account.Name);
        json.WriteString("status"u8, caller.Account.Enabled ? "enabled" : "disabled");
        json.WriteString("balance"u8, Usd.Format(standing.Balance));
        json.WriteString("held"u8, Usd.Format(standing.Held));
        json.WriteString("available"u8, Usd.Format(standing.Available));
        json.WriteString("credit_limit"u8, Usd.Format(standing.CreditLimit));
        WriteLimits(json, caller.Account.Terms);
        WriteSpent(json, standing.Spent);
        json.WriteStartObject("key"u8);
        json.WriteString("name"u8, caller.Key.Name);
        json.WriteString("prefix"u8, caller.Key.Prefix);
        if (caller.Key.Expires is { } expires) json.WriteNumber("expires"u8, expires / 1000);
        else json.WriteNull("expires"u8);
        WriteLimits(json, caller.Key.Terms);
        WriteSpent(json, keySpent);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteLimits(Utf8JsonWriter json, Terms terms)
    {
        json.WriteStartObject("limits"u8);
        WriteCount(json, "rpm", terms.RequestsPerMinute);
        WriteCount(json, "tpm", terms.TokensPerMinute);
        WriteCount(json, "parallel", terms.Parallel);
        json.WriteString("spend_day"u8, terms.SpendDay is { } day ? Usd.Format(day) : null);
        json.WriteString("spend_month"u8, terms.SpendMonth is { } month ? Usd.Format(month) : null);
        json.WriteString("spend_total"u8, terms.SpendTotal is { } total ? Usd.Format(total) : null);
        json.WriteEndObject();
    }

    private static void WriteCount(Utf8JsonWriter json, string name, long? count)
    {
        if (count is { } value) json.WriteNumber(name, value);
        else json.WriteNull(name);
    }

    private static void WriteSpent(Utf8JsonWriter json, in Spent spent)
    {
        json.WriteStartObject("spend"u8);
        json.WriteString("day"u8, Usd.Format(spent.Day));
        json.WriteString("month"u8, Usd.Format(spent.Month));
        json.WriteString("total"u8, Usd.Format(spent.Total));
        json.WriteEndObject();
    }
}
