using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Limits;

/// <summary>Each test has a gate of its own, alone on a new database.</summary>
/// <param name="shared">As if other nodes could come.</param>
public abstract class OneGate(bool shared = false) : IAsyncLifetime
{
    private protected FakeClock Clock { get; } = new();
    private protected Database Database { get; private set; } = null!;
    private protected LimitGate Gate { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Database = await TestDatabase.OpenNewAsync(postgres: false, Clock);
        Gate = Gates.Open(Database, shared);
    }

    public async ValueTask DisposeAsync()
    {
        await Gate.DisposeAsync();
        await Database.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
