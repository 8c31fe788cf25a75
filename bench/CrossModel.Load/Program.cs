using CrossModel.Load;

// One program, several processes: the load run starts the others by their first word.
return args switch
{
    ["stand-in", ..] => await StandIn.RunAsync(),
    ["forwarder", var upstream] => await Forwarder.RunAsync(new Uri(upstream)),
    ["gateway", var file, var settle] => await HostedGateway.RunAsync(file, settle == "settle"),
    _ => await LoadRun.RunAsync(args),
};
