using System.Text.Json;
using CrossModel.Accounts;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

public sealed class KeyCommandTests
{
    private readonly FakeClock _clock = new();
    private readonly CommandRun _run;

    public KeyCommandTests() => _run = new CommandRun(_clock);

    private async Task<string> KeyAsync(params string[] options)
    {
        await _run.RunAsync("accounts", "create", "acme");
        return await _run.GoodAsync(["keys", "create", "--account", "acme", "--name", "laptop", .. options]);
    }

    private async Task<JsonElement> ListedAsync(string key) =>
        (await _run.JsonAsync("keys", "list")).EnumerateArray().Single(row => row.GetProperty("prefix").GetString() == ApiKey.Prefix(key));

    private async Task<string> StatusAsync(string key) => (await ListedAsync(key)).GetProperty("status").GetString()!;

    [Fact]
    public async Task Create_PrintsTheKeyAlone()
    {
        var key = await KeyAsync();
        Assert.True(ApiKey.HasValidChecksum(key));
        Assert.Equal("", _run.Error);
    }

    [Fact]
    public async Task Create_WithEverything_IsListedSoAndNeverShowsTheKeyAgain()
    {
        var key = await KeyAsync("--expires", "30d", "--models", "a/b,c/*", "--rpm", "1", "--tpm", "2", "--parallel", "3", "--spend-day", "4", "--spend-month", "5.5", "--spend-total", "6");
        var row = await ListedAsync(key);
        Assert.Equal(("acme", "laptop", "enabled"), (row.GetProperty("account").GetString(), row.GetProperty("name").GetString(), row.GetProperty("status").GetString()));
        Assert.Equal(_clock.GetUtcNow().AddDays(30).ToUnixTimeSeconds(), row.GetProperty("expires").GetInt64());
        Assert.Equal(["a/b", "c/*"], row.GetProperty("models").EnumerateArray().Select(m => m.GetString()));
        Assert.Equal("""{"rpm":1,"tpm":2,"parallel":3,"spend_day":"4.00","spend_month":"5.50","spend_total":"6.00"}""", row.GetProperty("limits").GetRawText());
        Assert.DoesNotContain(key, _run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain(key, await _run.GoodAsync("keys", "list"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cache_IsAllowedFor_ATime_CarriesOver_AndIsTakenAway()
    {
        var key = await KeyAsync();
        Assert.Equal(JsonValueKind.Null, (await ListedAsync(key)).GetProperty("cache").ValueKind);
        await _run.GoodAsync("keys", "set", key, "--cache", "24h");
        var rotated = await _run.GoodAsync("keys", "rotate", key, "--grace", "1h");
        Assert.Equal((86_400, 86_400), ((await ListedAsync(key)).GetProperty("cache").GetInt64(), (await ListedAsync(rotated)).GetProperty("cache").GetInt64()));
        await _run.GoodAsync("keys", "set", rotated, "--rpm", "5");
        Assert.Equal(86_400, (await ListedAsync(rotated)).GetProperty("cache").GetInt64());
        await _run.GoodAsync("keys", "set", rotated, "--cache", "none");
        Assert.Equal(JsonValueKind.Null, (await ListedAsync(rotated)).GetProperty("cache").ValueKind);
        var made = await _run.GoodAsync("keys", "create", "--account", "acme", "--name", "other", "--cache", "1h");
        Assert.Equal(3600, (await ListedAsync(made)).GetProperty("cache").GetInt64());
    }

    [Fact]
    public async Task List_ShowsHowLongRepliesAreKept()
    {
        await KeyAsync("--cache", "36h");
        _clock.Advance(TimeSpan.FromSeconds(1)); // oldest first
        await KeyAsync();
        var lines = (await _run.GoodAsync("keys", "list")).Split('\n');
        var column = lines[0].IndexOf("CACHE", StringComparison.Ordinal);
        Assert.Equal(["36h", "none"], lines[1..3].Select(line => line[column..].Split(' ')[0]));
    }

    [Fact]
    public async Task Set_ChangesWhatIsNamedAndKeepsTheRest()
    {
        var key = await KeyAsync("--expires", "30d", "--models", "a/b", "--rpm", "1", "--spend-day", "4");
        await _run.GoodAsync("keys", "set", key, "--name", "desk", "--rpm", "none", "--tpm", "9");
        var row = await ListedAsync(key);
        Assert.Equal("desk", row.GetProperty("name").GetString());
        Assert.Equal("""{"rpm":null,"tpm":9,"parallel":null,"spend_day":"4.00","spend_month":null,"spend_total":null}""", row.GetProperty("limits").GetRawText());
        Assert.Equal(JsonValueKind.Number, row.GetProperty("expires").ValueKind);
        await _run.GoodAsync("keys", "set", key, "--expires", "none", "--models", "none");
        row = await ListedAsync(key);
        Assert.Equal((JsonValueKind.Null, JsonValueKind.Null), (row.GetProperty("expires").ValueKind, row.GetProperty("models").ValueKind));
    }

    [Fact]
    public async Task Revoke_ByIdKeyOrPrefix_IsForGood()
    {
        var (a, b, c) = (await KeyAsync(), await KeyAsync(), await KeyAsync());
        await _run.GoodAsync("keys", "revoke", a);
        await _run.GoodAsync("keys", "revoke", (await ListedAsync(b)).GetProperty("id").GetString()!);
        await _run.GoodAsync("keys", "revoke", ApiKey.Prefix(c));
        Assert.Equal(("revoked", "revoked", "revoked"), (await StatusAsync(a), await StatusAsync(b), await StatusAsync(c)));
        await _run.GoodAsync("keys", "revoke", a);
        foreach (var refused in new[] { "enable", "rotate" })
        {
            Assert.Equal(1, await _run.RunAsync("keys", refused, a));
            Assert.Equal("", _run.Out);
            // As it stands there it makes one.
            Assert.Contains("crossmodel keys create --account acme --name laptop makes a new one", _run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task DisableEnableExpire_ChangeTheStatus()
    {
        var key = await KeyAsync();
        await _run.GoodAsync("keys", "disable", key);
        Assert.Equal("disabled", await StatusAsync(key));
        await _run.GoodAsync("keys", "enable", key);
        Assert.Equal("enabled", await StatusAsync(key));
        await _run.GoodAsync("keys", "expire", key);
        Assert.Equal("expired", await StatusAsync(key));
    }

    /// <summary>It stays unusable, which must not look like success.</summary>
    [Fact]
    public async Task Enable_OfAnExpiredKey_SaysWhatLetsItInAgain()
    {
        var key = await KeyAsync("--expires", "1h");
        await _run.GoodAsync("keys", "disable", key);
        Assert.EndsWith(" enabled", await _run.GoodAsync("keys", "enable", key), StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromHours(2));
        var id = (await ListedAsync(key)).GetProperty("id").GetString();
        Assert.EndsWith($" enabled, but it has expired: crossmodel keys set {id} --expires 30d lets it in again", await _run.GoodAsync("keys", "enable", key), StringComparison.Ordinal);
        await _run.GoodAsync("keys", "set", id!, "--expires", "30d");
        Assert.Equal("enabled", await StatusAsync(key));
    }

    [Fact]
    public async Task Rotate_WithGrace_PrintsANewKeyAloneAndTheOldOneEndsLater()
    {
        var old = await KeyAsync("--models", "a/b", "--rpm", "7");
        var key = await _run.GoodAsync("keys", "rotate", old, "--grace", "24h");
        Assert.True(ApiKey.HasValidChecksum(key));
        Assert.NotEqual(old, key);
        var row = await ListedAsync(key);
        Assert.Equal(("laptop", 7, "a/b"), (row.GetProperty("name").GetString(), row.GetProperty("limits").GetProperty("rpm").GetInt64(), row.GetProperty("models")[0].GetString()));
        Assert.Equal("enabled", await StatusAsync(old));
        _clock.Advance(TimeSpan.FromHours(24));
        Assert.Equal(("expired", "enabled"), (await StatusAsync(old), await StatusAsync(key)));
    }

    [Fact]
    public async Task Rotate_WithoutGrace_EndsTheOldKeyAtOnce()
    {
        var old = await KeyAsync();
        await _run.GoodAsync("keys", "rotate", old);
        Assert.Equal("revoked", await StatusAsync(old));
    }

    [Fact]
    public async Task Key_UnknownOrMistyped_IsRefusedWithTheWayToFindIt()
    {
        var key = await KeyAsync();
        Assert.Equal(1, await _run.RunAsync("keys", "revoke", ApiKey.New()));
        Assert.Contains("crossmodel keys list", _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("keys", "revoke", key[..^1] + (key[^1] == 'a' ? 'b' : 'a')));
        Assert.Contains("mistyped", _run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(key[..20], _run.Error, StringComparison.Ordinal);
        Assert.Equal("enabled", await StatusAsync(key));
    }
}
