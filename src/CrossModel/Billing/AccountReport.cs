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
        json.WriteString("status"u8, caller.Account.Status);
        json.Usd("balance", standing.Balance);
        json.Usd("held", standing.Held);
        json.Usd("available", standing.Available);
        json.Usd("credit_limit", standing.CreditLimit);
        json.Limits(caller.Account.Terms);
        json.Spend(standing.Spent);
        json.WriteStartObject("key"u8);
        json.WriteString("name"u8, caller.Key.Name);
        json.WriteString("prefix"u8, caller.Key.Prefix);
        json.Count("expires", caller.Key.Expires / 1000);
        json.Count("cache", caller.Key.CacheFor / 1000);
        json.Limits(caller.Key.Terms);
        json.Spend(keySpent);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
