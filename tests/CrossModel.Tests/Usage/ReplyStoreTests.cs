using CrossModel.Storage;
using CrossModel.Tests.Billing;
using CrossModel.Tests.Support;
using CrossModel.Usage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Usage;

/// <summary>Keys of calls that ended while the database took no writes.</summary>
public sealed class ReplyStoreTests
{
    /// <summary>More than are freed at a time.</summary>
    private const int Calls = 120;

    private static readonly byte[] BodyHash = new byte[32];

    /// <summary>No write goes through until the folder is back: the connection refuses the next one, and another cannot be made.</summary>
    private static async Task TakeAwayAsync(Database database, string folder)
    {
        await database.WriteAsync(session => session.ExecuteAsync("PRAGMA query_only = ON"));
        Directory.Move(folder, folder + ".away");
    }

    [Fact]
    public async Task Keys_ThatCouldNotBeFreed_AreTriedTogether_AndAreAllFreeAfterwards()
    {
        var time = new FakeClock();
        var address = await TestDatabase.NewAddressAsync(postgres: false);
        var folder = Path.GetDirectoryName(address["sqlite:".Length..])!;
        await using var database = await TestDatabase.OpenAsync(address, time);
        var store = new ReplyStore(database, "node", NullLogger.Instance);
        await Task.WhenAll(Enumerable.Range(0, Calls).Select(async i => Assert.Equal(default, await store.ClaimAsync("acc", $"k{i}", BodyHash, $"req_{i}"))));
        await TakeAwayAsync(database, folder);
        for (var i = 0; i < Calls; i++) await store.FreeAsync("acc", $"k{i}", $"req_{i}");
        for (var seconds = 0; seconds < 3; seconds++)
        {
            await Till.UntilAsync(() => Task.FromResult(time.IsAwaited));
            Assert.Equal(1, time.Awaited);
            time.Advance(TimeSpan.FromSeconds(1));
        }
        await Till.UntilAsync(() => Task.FromResult(time.IsAwaited));
        Directory.Move(folder + ".away", folder);
        // Who comes before it is tried again frees his key himself, whatever he sends.
        Assert.Equal(default, await store.ClaimAsync("acc", "k0", [1], "req_early"));
        await store.FreeAsync("acc", "k0", "req_early");
        time.Advance(TimeSpan.FromSeconds(1));
        for (var i = 0; i < Calls; i++) await Till.UntilAsync(async () => await store.ClaimAsync("acc", $"k{i}", BodyHash, "req_later") == default);
        Assert.False(time.IsAwaited);
        // The next time begins anew.
        await TakeAwayAsync(database, folder);
        await store.FreeAsync("acc", "k0", "req_later");
        Assert.Equal(1, time.Awaited);
    }

    /// <summary>Each is a request mended once more: none waits until the database has been told of the one before.</summary>
    [Fact]
    public async Task Key_OfCallsThatFailOneAfterTheOther_IsFreeForTheNextBody()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: false);
        var store = new ReplyStore(database, "node", NullLogger.Instance);
        for (byte i = 1; i <= 3; i++)
        {
            Assert.Equal(default, await store.ClaimAsync("acc", "k", [i], $"req_{i}"));
            store.Ended("acc", "k", $"req_{i}");
            // The one before has it told only now.
            if (i > 1) await store.FreeAsync("acc", "k", $"req_{i - 1}");
        }
    }

    [Fact]
    public async Task Key_ThatCannotHaveBeenTaken_IsNotFreed()
    {
        var time = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres: false, time);
        var store = new ReplyStore(database, "node", NullLogger.Instance);
        await database.WriteAsync(session => session.ExecuteAsync("PRAGMA query_only = ON"));
        Assert.Equal(new Claim(DatabaseAway: true), await store.ClaimAsync("acc", "k", BodyHash, "req"));
        Assert.False(time.IsAwaited);
    }

    /// <summary>It may have been taken, and nobody has seen it: whoever was refused may come again with another body.</summary>
    [Fact]
    public async Task Claim_CutAtItsCommit_LeavesTheKeyToAnyBody()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        using var wire = CutWire.Of(address, "INSERT INTO stored_reply", out var cut);
        // The tables first.
        await using (await TestDatabase.OpenAsync(address)) { }
        await using var database = await TestDatabase.OpenAsync(cut);
        var store = new ReplyStore(database, "node", NullLogger.Instance);

        Assert.Equal(new Claim(DatabaseAway: true), await store.ClaimAsync("acc", "k", [1], "req_1"));
        Assert.Equal(default, await store.ClaimAsync("acc", "k", [2], "req_2"));
    }
}
