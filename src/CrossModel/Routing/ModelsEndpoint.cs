using System.Buffers;
using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>
/// GET /v1/models and GET /v1/models/{id}: what the caller's key may call. Each model's JSON is kept until its price changes, so that a
/// list of a thousand is a thousand copies of bytes. One instance a snapshot.
/// </summary>
internal sealed class ModelsEndpoint(ModelCatalog catalog, TimeProvider time)
{
    private readonly Rendered?[] _rendered = new Rendered?[catalog.All.Count];
    private readonly Dictionary<Model, int> _places = catalog.All.Select((m, i) => (m, i)).ToDictionary(p => p.m, p => p.i);

    /// <summary>Writes <c>{"object":"list","data":[…]}</c>.</summary>
    /// <param name="allows">May the key call this id? Null: it may call all.</param>
    public void WriteList(IBufferWriter<byte> target, Func<string, bool>? allows)
    {
        var now = time.GetUtcNow();
        target.Write("{\"object\":\"list\",\"data\":["u8);
        var any = false;
        for (var i = 0; i < _rendered.Length; i++)
        {
            if (catalog.FindFor(catalog.All[i].Id, allows, now) is null) continue;
            if (any) target.Write(","u8);
            target.Write(Render(i, now));
            any = true;
        }
        target.Write("]}"u8);
    }

    /// <summary>Writes one model. Refuses with 404 what is unknown, not priced now or not allowed, all three alike.</summary>
    public ApiError? Write(string id, IBufferWriter<byte> target, Func<string, bool>? allows)
    {
        var now = time.GetUtcNow();
        if (catalog.FindFor(id, allows, now) is not { } model) return ApiErrors.ModelNotFound(id);
        target.Write(Render(_places[model], now));
        return null;
    }

    private byte[] Render(int place, DateTimeOffset now)
    {
        var model = catalog.All[place];
        var version = Prices.InForce(model.Config.Price!, now);
        if (_rendered[place] is { } kept && ReferenceEquals(kept.Version, version)) return kept.Json;
        var json = ModelJson.Render(model, version);
        _rendered[place] = new Rendered(version, json);
        return json;
    }

    private sealed record Rendered(Configuration.PriceVersionConfig? Version, byte[] Json);
}
