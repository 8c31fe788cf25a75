using System.Net;
using System.Net.Sockets;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using Npgsql;

namespace CrossModel.Tests.Storage;

public sealed class PostgresDatabaseTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("postgresql://user:p%40ss%3Aword@db.example:6432/money?sslmode=verify-full&application_name=x", "db.example", 6432, "user", "p@ss:word", "money", SslMode.VerifyFull)]
    [InlineData("postgres://u@[::1]/d?sslmode=require", "::1", 5432, "u", null, "d", SslMode.Require)]
    public void Address_InTheUsualForm_BecomesTheDriversOwn(string address, string host, int port, string user, string? password, string database, SslMode ssl)
    {
        var parts = new NpgsqlConnectionStringBuilder(PostgresAddress.ToConnectionString(address));
        Assert.Equal((host, port, user, password, database, ssl), (parts.Host, parts.Port, parts.Username, parts.Password, parts.Database, parts.SslMode));
    }

    [Theory]
    [InlineData("postgresql://user:secret@host", "names no database")]
    [InlineData("postgresql://user:secret@host:x/db", "cannot be read")]
    [InlineData("postgresql://user:secret@host/db?sslmod=require", "sslmod")]
    [InlineData("postgresql://user:secret@host/db?sslmode=perhaps", "sslmode")]
    [InlineData("postgresql://user:secret@host/db?target_session_attrs=read-write", "chooses between several servers")]
    [InlineData("postgresql://user:secret@host/db?sslmode=verify-ca&sslrootcert=/nowhere/ca.pem", "names a file in \"sslrootcert\" that does not exist")]
    public void Address_Wrong_IsRefusedWithoutThePassword(string address, string reason)
    {
        var refusal = Assert.Throws<DatabaseException>(() => PostgresAddress.ToConnectionString(address));
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_NobodyThere_IsRefusedInWordsWithoutTheHost()
    {
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync("postgresql://u:secret@127.0.0.1:1/db"));
        Assert.Contains("cannot be reached", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Open_ServerWithoutTls_IsToldFromOneThatDoesNotAnswer()
    {
        var address = await (await PostgresServer.Shared()).CreateDatabaseAsync();
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync(address + "?sslmode=require"));
        Assert.Contains("cannot be reached: SSL connection requested", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no certificate")]
    [InlineData(null)]
    public async Task Open_WithACertificateThatIsNone_OrIsNotThere_IsRefusedInWords(string? text)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var speaksTls = SpeakTlsAsync();
        var file = Path.Combine(TempFolder.New(), "client.crt");
        if (text is not null) await File.WriteAllTextAsync(file, text, Cancel);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync($"postgresql://u:secret@127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/db?sslmode=require&sslcert={file}"));
        Assert.Contains("cannot be reached: a file of sslrootcert, sslcert or sslkey cannot be used", refusal.Message, StringComparison.Ordinal);
        await ending.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => speaksTls);

        // The driver asks on a second connection too.
        async Task SpeakTlsAsync()
        {
            while (true)
            {
                using var client = await listener.AcceptTcpClientAsync(ending.Token);
                await client.GetStream().ReadExactlyAsync(new byte[8], ending.Token);
                await client.GetStream().WriteAsync("S"u8.ToArray(), ending.Token);
            }
        }
    }

    [Fact]
    public async Task Open_AsARoleThatMayMakeNoTables_IsToldWhatItMust()
    {
        var address = await (await PostgresServer.Shared()).CreateDatabaseAsync();
        await using (var database = await TestDatabase.OpenAsync(address)) await database.WriteAsync(session => session.ExecuteAsync("CREATE ROLE weak LOGIN"), Cancel);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync(address.Replace("postgres:unused@", "weak@", StringComparison.Ordinal)));
        Assert.EndsWith("permission denied for schema public. The role in the address must own the database, or may create in its schema public.", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_StoppedAndStarted_IsAwayMeanwhileAndServesAfterwards()
    {
        PostgresServer.SkipIfMissing();
        await using var server = await PostgresServer.StartNewAsync();
        await using var database = await TestDatabase.OpenAsync(await server.CreateDatabaseAsync());
        Assert.Equal(1, await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
        await server.KillAsync();
        for (var i = 0; i < 3; i++)
        {
            var fault = await Assert.ThrowsAnyAsync<Exception>(() => database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
            Assert.True(database.IsAway(fault), fault.ToString());
        }
        await server.StartAsync();
        Assert.Equal(2, await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
    }

    [Fact]
    public async Task Open_OfAStandby_IsToldWhatItSays_AndNothingOfRoles()
    {
        var address = await (await PostgresServer.Shared()).CreateDatabaseAsync();
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync(address + "?Options=-c default_transaction_read_only=on"));
        Assert.EndsWith("in a read-only transaction.", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>A server that another one has taken over from goes on answering: its connections are not kept.</summary>
    [Fact]
    public async Task Write_OnAConnectionOfWhatBecameAStandby_IsAway_AndTheNextOneConnectsAnew()
    {
        // Only the connections that there are may read alone; they stay so, since nothing resets them.
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true) + "?No Reset On Close=true&Maximum Pool Size=1");
        await database.WriteAsync(session => session.ExecuteAsync("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"), Cancel);
        var fault = await Assert.ThrowsAsync<PostgresException>(() => database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
        Assert.True(database.IsAway(fault), fault.ToString());
        Assert.Equal(1, await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
    }

    /// <summary>What was to be written is not at fault: it is written later, not given up.</summary>
    [Theory]
    [InlineData("statement_timeout", "SELECT pg_sleep(2)")]
    [InlineData("lock_timeout", "UPDATE change SET number = 1 WHERE kind = 'a'")]
    [InlineData("idle_in_transaction_session_timeout", null)]
    public async Task Write_BeyondTheServersOwnTimeLimit_IsAway(string limit, string? statement)
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        await using var other = await TestDatabase.OpenAsync(address);
        await using var database = await TestDatabase.OpenAsync($"{address}?Options=-c {limit}=200");
        await other.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel);
        var fault = await other.WriteAsync(async holder =>
        {
            await ChangeFeed.NextAsync(holder, "a");
            return await Assert.ThrowsAnyAsync<Exception>(() => database.WriteAsync(async session =>
            {
                await session.ExecuteAsync("SELECT 1");
                if (statement is null) await Task.Delay(1000, Cancel);
                await session.ExecuteAsync(statement ?? "SELECT 1");
            }, Cancel));
        }, Cancel);
        Assert.True(database.IsAway(fault), fault.ToString());
    }

    [Theory]
    [InlineData("sslmode=disable&sslrootcert=/nowhere/ca.pem")]
    [InlineData("sslrootcert=")]
    [InlineData("sslmode=require&sslrootcert=/nowhere/ca.pem&sslkey=/nowhere/k.pem")]
    public void Address_WithAFileThatTheModeDoesNotNeed_IsGood(string parameters) => Assert.Null(PostgresAddress.Fault("postgresql://u:p@h/d?" + parameters));

    [Theory]
    [InlineData("primary")]
    [InlineData("read-write")]
    public async Task Open_OfSeveralServers_TakesTheOneThatAnswers(string wanted)
    {
        var address = new Uri(await TestDatabase.NewAddressAsync(postgres: true));
        await using var database = await TestDatabase.OpenAsync($"{address}?Host=127.0.0.1:1,127.0.0.1:{address.Port}&target_session_attrs={wanted}");
        Assert.Equal(1, await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
    }

    /// <summary>As it is behind a pooler that gives each transaction a connection of its own.</summary>
    [Fact]
    public async Task Reason_OfPreparedStatementsThatAreLost_NamesThePoolersSettings()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        var fault = await Assert.ThrowsAsync<PostgresException>(() => database.ReadAsync(async session =>
        {
            for (var i = 0; i < 3; i++) await session.QueryAsync("SELECT number FROM change WHERE kind = @kind", row => row.GetInt64(0), ("@kind", "a"));
            await session.ExecuteAsync("DEALLOCATE ALL");
            return await session.QueryAsync("SELECT number FROM change WHERE kind = @kind", row => row.GetInt64(0), ("@kind", "a"));
        }, Cancel));
        Assert.Contains("state 26000; through a pooler in transaction mode", database.Reason(fault), StringComparison.Ordinal);
        Assert.Contains("?Max Auto Prepare=0&No Reset On Close=true", database.Reason(fault), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_IsRefusedNamingTheRightTool()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => database.BackupAsync("x", Cancel));
        Assert.Contains("pg_dump", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Writes_InADeadlock_BothCommit()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        await database.WriteAsync(session => session.ExecuteAsync("INSERT INTO change (kind, number) VALUES ('a', 0), ('b', 0)"), Cancel);
        using var bothHaveOne = new CountdownEvent(2);
        Task Cross(string first, string second) => Task.Run(async () =>
        {
            var waits = true;
            await database.WriteAsync(async session =>
            {
                await session.ExecuteAsync("UPDATE change SET number = number + 1 WHERE kind = @kind", ("@kind", first));
                if (waits) bothHaveOne.Signal();
                waits = false;
                bothHaveOne.Wait(Cancel);
                await session.ExecuteAsync("UPDATE change SET number = number + 1 WHERE kind = @kind", ("@kind", second));
            }, Cancel);
        }, Cancel);
        await Task.WhenAll(Cross("a", "b"), Cross("b", "a"));
        Assert.Equal([2, 2], await database.ReadAsync(session => session.QueryAsync("SELECT number FROM change WHERE kind IN ('a', 'b')", row => row.GetInt64(0)), Cancel));
    }
}
