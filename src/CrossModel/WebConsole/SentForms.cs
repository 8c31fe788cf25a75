using System.Collections.Concurrent;

namespace CrossModel.WebConsole;

/// <summary>
/// Forms that made something a moment ago. A button that is pressed twice sends its form twice, and the browser shows the second answer alone: that is
/// the first one's, and nothing is made twice.
/// </summary>
internal sealed class SentForms(TimeProvider time)
{
    /// <summary>Longer than a page takes that is not yet there; no longer, since an answer may hold a new key.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, Lazy<Task<Outcome>>> _forms = new();

    /// <param name="form">The same for a form that is sent again, see <see cref="Fields.Form"/>; null: whose page gave it no number is done each time.</param>
    public async Task<Outcome> OnceAsync(string? form, Func<Task<Outcome>> send)
    {
        if (form is null) return await send();
        var mine = new Lazy<Task<Outcome>>(send);
        var first = _forms.GetOrAdd(form, mine);
        var isDone = false;
        try
        {
            var outcome = await first.Value;
            isDone = outcome.Refusal is null;
            return outcome;
        }
        finally
        {
            // What was refused has made nothing: it may be tried again.
            if (!isDone) _forms.TryRemove(new(form, first));
            else if (first == mine) _ = ForgetAsync(form, mine);
        }
    }

    private async Task ForgetAsync(string form, Lazy<Task<Outcome>> sent)
    {
        await Task.Delay(Kept, time);
        _forms.TryRemove(new(form, sent));
    }
}
