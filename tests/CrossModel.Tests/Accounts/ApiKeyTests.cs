using System.Text;
using CrossModel.Accounts;

namespace CrossModel.Tests.Accounts;

public sealed class ApiKeyTests
{
    // Made outside this program (Python's zlib.crc32 and hashlib).
    [Theory]
    [InlineData("cm-00000000000000000000000000000000000003GmqtN", "9e9c3a7e374e2162d8ad4e6b9122da568442b40f1980d89d2752345b07f09710")]
    [InlineData("cm-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2o4Zv3", "d44d0528a0e8e7418c6010283387fa60e9153f03c2e14f400f377c003bb91de4")]
    [InlineData("cm-CrossModel0123456789abcdefghijABCDEFG1b9qAc", "d515d1dbe0c789cfa960888019429548f92b6ada7c521d9b9963bb7bec4dc265")]
    [InlineData("cm-07ELSZgnu18FMTahov29GNUbipw3AHOVcjqx41GrKV7", "06b7dce4101e995b0d27700d806aecd985651dd5053aeb35a204d74583ac5a1e")]
    [InlineData("cm-000000000000000000000000000000000004Q4KG19X", "9fb67c350b7231a0c6ab648be77ff40832ec9e293e95b16a9db087167919e9bf")]
    public void Key_MadeElsewhere_HasTheSameChecksumAndHash(string key, string hash)
    {
        Assert.True(ApiKey.HasValidChecksum(key));
        Assert.Equal(hash, ApiKey.Hash(key));
    }

    [Fact]
    public void New_Key_HasTheWrittenFormAndItsChecksum()
    {
        var key = ApiKey.New();
        Assert.Matches("^cm-[0-9A-Za-z]{43}$", key);
        Assert.True(ApiKey.HasValidChecksum(key));
    }

    [Fact]
    public void New_ManyKeys_UseEveryCharacterEquallyOften()
    {
        const int Keys = 4000;
        var counts = new Dictionary<char, int>();
        for (var i = 0; i < Keys; i++)
            foreach (var character in ApiKey.New()[3..40]) counts[character] = counts.GetValueOrDefault(character) + 1;
        // 37 × 4000 / 62 = 2387 each; a remainder of a byte would give the first eight characters a quarter more. Seven standard deviations allowed.
        const double Expected = 37.0 * Keys / 62;
        Assert.Equal(62, counts.Count);
        Assert.All(counts.Values, count => Assert.InRange(count, Expected - 7 * Math.Sqrt(Expected), Expected + 7 * Math.Sqrt(Expected)));
    }

    [Fact]
    public void Checksum_AnyOneCharacterMistyped_IsRefused()
    {
        var key = ApiKey.New();
        for (var i = 0; i < key.Length; i++)
        {
            var mistyped = new StringBuilder(key) { [i] = key[i] == 'x' ? 'y' : 'x' }.ToString();
            Assert.False(ApiKey.HasValidChecksum(mistyped), $"character {i}");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("cm-")]
    [InlineData("sk-proj-abcdefghijklmnopqrstuvwxyz0123456789abc")]
    [InlineData("cm-ééééééééééééééééééééééééééééééééééééé000000")]
    public void Checksum_OfSomethingElse_IsRefused(string text) => Assert.False(ApiKey.HasValidChecksum(text));

    [Fact]
    public void Prefix_ShowsFirstSevenAndLastFour()
    {
        var key = ApiKey.New();
        Assert.Equal(key[..7] + "…" + key[42..], ApiKey.Prefix(key));
    }

    [Fact]
    public void Hash_ToHexAndBack_IsTheSame()
    {
        var key = ApiKey.New();
        Assert.Equal(KeyHash.Of(key), KeyHash.FromHex(ApiKey.Hash(key)));
    }
}
