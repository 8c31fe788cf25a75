using CrossModel.Billing;
using CrossModel.Usage;

namespace CrossModel.Load;

/// <summary>The gateway inside a process of the load run's, to be measured with settlement and, for comparison, with one that does nothing.</summary>
internal static class HostedGateway
{
    public static async Task<int> RunAsync(string file, bool settle)
    {
        SocketThreads.Use();
        await using var gateway = await Gateway.StartAsync(new GatewayOptions
        {
            ConfigFile = file,
            Environment = new Dictionary<string, string>(),
            Settlements = settle ? books => new Settlements(books) : books => new NoSettlements(books),
        });
        Console.WriteLine($"listening on {gateway.Addresses[0]}");
        await Task.Delay(Timeout.Infinite);
        return 0;
    }

    private sealed class NoSettlements(Books books) : Settlements(books)
    {
        public override Task<Settled> SettleAsync(RequestRecord record, Hold hold, Beside? beside = null)
        {
            hold.Release();
            return Task.FromResult(new Settled(true, record.Price, 0, 0));
        }

        public override Task<Settled> SettleOrQueueAsync(RequestRecord record, Hold hold, Beside? beside = null) => SettleAsync(record, hold);
    }
}
