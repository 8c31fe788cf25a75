using System.CommandLine;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using CrossModel.Simulator;

namespace CrossModel.Cli;

/// <summary><c>crossmodel simulate [--urls …]</c>: a simulated provider, until it is told to stop.</summary>
internal static class SimulateCommand
{
    public static Command Build(CommandEnvironment environment)
    {
        var urls = Options.Urls("Addresses to listen on");
        urls.DefaultValueFactory = _ => "http://127.0.0.1:9100";
        var simulate = new Command("simulate", "A simulated provider, with faults on demand") { urls };
        simulate.SetAction(async (parse, ct) =>
        {
            using var stopping = CancellationTokenSource.CreateLinkedTokenSource(ct);
            void Stop(PosixSignalContext signal)
            {
                signal.Cancel = true;
                stopping.Cancel();
            }
            using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
            using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
            try
            {
                await SimulatorHost.RunAsync(parse.GetValue(urls)!, environment.Out, stopping.Token);
                return 0;
            }
            catch (Exception e) when (e is IOException or SocketException or FormatException or InvalidOperationException)
            {
                throw new RefusedException($"Cannot listen on {parse.GetValue(urls)}: {e.Message.TrimEnd('.')}. Name another with --urls.");
            }
        });
        return simulate;
    }
}
