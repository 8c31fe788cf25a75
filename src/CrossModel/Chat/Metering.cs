using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>What a call adds to the meters when it has ended.</summary>
internal static class Metering
{
    public static void Count(Meters meters, ChatCall call)
    {
        // A model's name is a label only once the catalogue knows it: what callers write must not make new series.
        meters.Call(call.ModelId ?? "", call.Served?.Upstream.Name ?? "", call.Status, call.Usage, call.Elapsed, call.FirstToken);
        var attempts = call.Attempts;
        for (var i = 0; i < attempts.Count; i++) meters.Attempt(attempts[i].Upstream, attempts[i].Outcome);
    }
}
