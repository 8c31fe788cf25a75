using System.Collections;
using CrossModel;
using CrossModel.Cli;
using CrossModel.Dialects;

var variables = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "");
return await CommandLine.RunAsync(args, new CommandEnvironment
{
    Out = Console.Out,
    Error = Console.Error,
    Variables = variables,
    Rules = DialectSet.Rules(TimeProvider.System),
    Explain = (order, target) => Explaining.Run(order, variables, TimeProvider.System, target),
    ServeAsync = order => Serving.RunAsync(order.ConfigFile, order.Urls, variables, Console.Out, Console.Error),
});
