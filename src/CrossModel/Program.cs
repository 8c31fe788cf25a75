using System.Collections;
using CrossModel;
using CrossModel.Cli;

string folder;
try
{
    folder = Environment.CurrentDirectory;
}
catch (IOException)
{
    Console.Error.WriteLine("The working folder does not exist any more. Change to one that does.");
    return 1;
}
var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "");
return await CommandLine.RunAsync(args, new CommandEnvironment
{
    Out = Console.Out,
    Error = Console.Error,
    Variables = variables,
    Folder = folder,
    Rules = Gateway.Rules(TimeProvider.System),
    Explain = (order, target) => Explaining.Run(order, variables, TimeProvider.System, target),
    ServeAsync = order => Serving.RunAsync(order.ConfigFile, order.Urls, variables, Console.Out, Console.Error),
});
