using System.Runtime.InteropServices;
using CrossModel.Accounts;
using CrossModel.Configuration;
using CrossModel.Routing;
using CrossModel.WebConsole;
using Microsoft.Extensions.Logging.Console;

namespace CrossModel;

/// <summary><c>crossmodel serve</c>: starts the gateway, says where it is, waits for a signal, stops in order.</summary>
internal static class Serving
{
    private static readonly TimeSpan PatienceWithProbes = TimeSpan.FromSeconds(1.5);

    /// <summary>Exit code 0 also when calls were cut at the end; 1 when it could not start.</summary>
    /// <param name="configFile">Null: there is none.</param>
    /// <param name="urls">Beats the file's; null: the file's.</param>
    public static async Task<int> RunAsync(string? configFile, string? urls, IReadOnlyDictionary<string, string> environment, TextWriter output, TextWriter errors)
    {
        SocketThreads.Use();
        using var stop = new Signals();
        // Logs go to stderr: lines for a person at a terminal, JSON for everything else. Closed last: what the end had to say is written then.
        using var lines = Console.IsErrorRedirected ? new LogLines(Console.OpenStandardError(), TimeProvider.System) : null;
        Gateway gateway;
        try
        {
            gateway = await Gateway.StartAsync(
                new GatewayOptions { ConfigFile = configFile, Urls = urls, Environment = environment, Logging = logging => Log(logging, lines) }, stop.First);
        }
        catch (StartException e)
        {
            await errors.WriteLineAsync(e.Message);
            return 1;
        }
        catch (OperationCanceledException) when (stop.First.IsCancellationRequested)
        {
            return 0;
        }
        await using (gateway)
        {
            var address = ListenAddresses.Reachable(gateway.Addresses[0]);
            await output.WriteLineAsync($"CrossModel listens on {string.Join(" and ", gateway.Addresses)}");
            if (!gateway.HasFile && await FirstRun.MakeKeyAsync(gateway.Database) is { } key)
            {
                // Callers are served already; the list alone waits a moment for what runs on this machine.
                await Task.WhenAny(gateway.FirstProbe, Task.Delay(PatienceWithProbes, stop.First));
                FirstRun.PrintModels(output, gateway.Sources);
                FirstRun.Print(output, address, key, KeyDiscovery.SimulatedModel,
                    ConsoleEndpoint.LinkAt(address, await new SignIns(gateway.Database).NewLinkAsync(null, FirstRun.ConsoleLinkLasts)));
            }
            await output.FlushAsync();
            await Task.Delay(Timeout.Infinite, stop.First).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await gateway.StopAsync(stop.Second);
        }
        return 0;
    }

    private static void Log(ILoggingBuilder logging, LogLines? lines)
    {
        logging.AddFilter((_, level) => level >= LogLevel.Information);
        if (lines is not null)
        {
            logging.AddProvider(lines);
            return;
        }
        logging.Services.Configure<ConsoleLoggerOptions>(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            // A terminal that stands still must not hold up calls.
            console.QueueFullMode = ConsoleLoggerQueueFullMode.DropWrite;
        });
        logging.AddSimpleConsole(simple =>
        {
            simple.SingleLine = true;
            simple.TimestampFormat = "HH:mm:ss ";
            // The logger itself obeys NO_COLOR, and writes colours to a terminal that says that it shows none.
            if (Environment.GetEnvironmentVariable("TERM") == "dumb") simple.ColorBehavior = LoggerColorBehavior.Disabled;
        });
    }

    /// <summary>SIGTERM, Ctrl-C, Ctrl-\ (SIGQUIT, which some containers are stopped with) and a terminal that is closed (SIGHUP):
    /// the first asks to stop in order, the second at once.</summary>
    private sealed class Signals : IDisposable
    {
        private readonly CancellationTokenSource _first = new();
        private readonly CancellationTokenSource _second = new();
        private readonly PosixSignalRegistration[] _registrations;

        public Signals() => _registrations =
            [.. new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, PosixSignal.SIGQUIT }
                .Select(signal => PosixSignalRegistration.Create(signal, On))];

        public CancellationToken First => _first.Token;
        public CancellationToken Second => _second.Token;

        private void On(PosixSignalContext signal)
        {
            signal.Cancel = true;
            (_first.IsCancellationRequested ? _second : _first).Cancel();
        }

        public void Dispose()
        {
            foreach (var registration in _registrations) registration.Dispose();
            _first.Dispose();
            _second.Dispose();
        }
    }
}
