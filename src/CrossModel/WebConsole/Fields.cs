using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Protocol;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace CrossModel.WebConsole;

/// <summary>The fields of a posted form. What cannot be read is noted, the first of them, and read as if it were empty.</summary>
internal sealed class Fields(IFormCollection form)
{
    private const long Largest = 64 * 1024;

    /// <summary>Null: all that was read so far is good.</summary>
    public ApiError? Fault { get; private set; }

    /// <summary>A posted form: one of the two. Forms of other kinds carry files, and the console's own pages send UTF-8 alone.</summary>
    public static async ValueTask<(Fields? Fields, ApiError? Fault)> ReadAsync(HttpRequest request)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !type.MediaType.Equals("application/x-www-form-urlencoded", StringComparison.OrdinalIgnoreCase))
            return (null, ApiErrors.InvalidValue("content-type", "A form of the console is expected."));
        if (request.ContentLength > Largest) return (null, ApiErrors.RequestTooLarge(Largest));
        if (request.HttpContext.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = Largest;
        try
        {
            using var body = new PooledBuffer();
            while (true)
            {
                var read = await request.BodyReader.ReadAsync(request.HttpContext.RequestAborted);
                foreach (var part in read.Buffer) body.Write(part.Span);
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted) break;
            }
            var reader = new FormPipeReader(PipeReader.Create(new ReadOnlySequence<byte>(body.Memory))) { ValueCountLimit = 64, KeyLengthLimit = 64, ValueLengthLimit = 16 * 1024 };
            return (new Fields(new FormCollection(await reader.ReadFormAsync())), null);
        }
        catch (Exception e) when (Departure.Told(request.HttpContext, e))
        {
            // As for the body of a call: the web server would go on to read it.
            request.HttpContext.Abort();
            throw;
        }
        // A chunk size beyond all numbers is no BadHttpRequestException to the web server, and a NUL in a trailer not even an IOException.
        catch (Exception e) when (e is InvalidDataException or IOException or InvalidOperationException)
        {
            return (null, ApiErrors.InvalidValue("form", "The form cannot be read, or is too large."));
        }
    }

    /// <summary>What is the same for the form of one page that is sent again as it was, and for no other; null: it has no page's number.</summary>
    /// <param name="path">Where it is sent to.</param>
    public string? Form(string path) => Text("page").Length == 0 ? null : SignIns.Hash(string.Join('\n', [path, .. form.Select(field => $"{field.Key}={field.Value}")]));

    /// <summary>Without blanks around it; empty where the field is not there.</summary>
    public string Text(string name) => form[name].ToString().Trim();

    /// <summary>A name of an account or a key.</summary>
    public string Name(string name)
    {
        var text = Text(name);
        if (AccountStore.FaultOfName(text) is { } fault) Refuse(name, fault);
        return text;
    }

    /// <summary>Nano-dollars; 0 for an empty field.</summary>
    public long Amount(string name) => Read(name, Usd.Parse, "a plain decimal in USD with at most 9 places, like 10.00") ?? 0;

    /// <summary>The milliseconds of what is to last; null for an empty field.</summary>
    public long? Lasting(string name) =>
        Read(name, text => Durations.Parse(text) is { Ticks: > 0 } lasts ? (long)lasts.TotalMilliseconds : null, "a duration above zero, like 24h or 90d, or nothing");

    /// <summary>The milliseconds of a duration; null for an empty field.</summary>
    public long? Duration(string name) => Read(name, text => (long?)Durations.Parse(text)?.TotalMilliseconds, "a duration like 30s, 24h or 90d");

    /// <summary>Null for an empty field: all models.</summary>
    public IReadOnlyList<string>? Models(string name)
    {
        var text = Text(name);
        if (text.Length == 0) return null;
        var models = KeyEntry.ReadModels(text);
        if (models is null) Refuse(name, "Write ids and vendor/* separated by commas, like openai/gpt-5,anthropic/*, or leave it empty for all.");
        return models;
    }

    /// <summary>The fields of limits; an empty one is no limit.</summary>
    public Terms Terms() => new()
    {
        RequestsPerMinute = Count("rpm", long.MaxValue),
        TokensPerMinute = Count("tpm", long.MaxValue),
        Parallel = (int?)Count("parallel", int.MaxValue),
        SpendDay = Term("spend_day"),
        SpendMonth = Term("spend_month"),
        SpendTotal = Term("spend_total"),
    };

    /// <summary>Nano-dollars of a limit or a credit line; null for an empty field.</summary>
    public long? Term(string name) =>
        Read(name, text => Usd.Parse(text) is > 0 and <= Usd.MostOfTerm and var nano ? nano : null,
            "a positive plain decimal in USD, at most 1000000000 and with at most 9 places, or nothing");

    private long? Count(string name, long most) =>
        Read(name, text => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count >= 1 && count <= most ? count : null,
            "a whole number from 1, or nothing");

    private long? Read(string name, Func<string, long?> read, string expected)
    {
        var text = Text(name);
        if (text.Length == 0) return null;
        var value = read(text);
        if (value is null) Refuse(name, $"\"{ApiErrors.Echo(text)}\" is not {expected}.");
        return value;
    }

    private void Refuse(string name, string what) => Fault ??= ApiErrors.InvalidValue(name, what);
}
