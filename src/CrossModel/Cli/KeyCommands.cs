using System.CommandLine;
using System.Text.Json;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;

namespace CrossModel.Cli;

/// <summary><c>crossmodel keys …</c></summary>
internal static class KeyCommands
{
    public static Command Build(CommandEnvironment environment) => new("keys", "Who may call: keys and their limits")
    {
        Create(environment), List(environment), Set(environment), Rotate(environment),
        Change(environment, "revoke", "Refuse the key for good", "revoked", (key, _) => key with { Revoked = true }),
        Change(environment, "disable", "Refuse the key until it is enabled again", "disabled", (key, _) => key with { Enabled = false }),
        Change(environment, "enable", "Let the key in again", "enabled", (key, _) => key with { Enabled = true }),
        Change(environment, "expire", "Let the key end now", "expired", (key, now) => key with { Expires = Math.Min(now, key.Expires ?? now) }),
    };

    private sealed class KeyOptions
    {
        private readonly Option<Given<long?>?> _expires = new("--expires") { Description = "Works for this long from now", HelpName = "30d", CustomParser = Options.ReadLastingOrNone };
        private readonly Option<Given<IReadOnlyList<string>>?> _models = new("--models") { Description = "The models it may call", HelpName = "a/b,c/*", CustomParser = Options.ReadModels };
        private readonly Option<Given<long?>?> _cache = new("--cache")
        {
            Description = "Keep its replies this long for calls that ask for the cache (x-crossmodel-cache)",
            HelpName = "24h",
            CustomParser = Options.ReadLastingOrNone,
        };
        private readonly TermsOptions _terms = new();

        public KeyOptions(bool nameRequired) =>
            Name = new("--name") { Description = "A label to know it by", HelpName = "LABEL", Required = nameRequired, CustomParser = Options.ReadName };

        public Option<string?> Name { get; }

        public void AddTo(Command command)
        {
            foreach (var option in new Option[] { Name, _expires, _models, _cache }) command.Options.Add(option);
            _terms.AddTo(command);
        }

        public KeyEntry Apply(ParseResult parse, KeyEntry before, long now)
        {
            return before with
            {
                Name = parse.GetValue(Name) ?? before.Name,
                Expires = parse.GetValue(_expires) is { } lasts ? now + lasts.Value : before.Expires,
                Models = parse.After(_models, before.Models),
                CacheFor = parse.After(_cache, before.CacheFor),
                Terms = _terms.Apply(parse, before.Terms),
            };
        }
    }

    private static Command Create(CommandEnvironment environment)
    {
        var account = new Option<string>("--account") { Description = "The account that pays", HelpName = "NAME", Required = true };
        var options = new KeyOptions(nameRequired: true);
        var create = new Command("create", "Make a key and print it alone; it is shown this once") { account };
        options.AddTo(create);
        create.OnDatabase(environment, async (context, parse) =>
        {
            var payer = await AccountCommands.FindAsync(context, parse.GetValue(account)!);
            var blank = new KeyEntry("", payer.Account.Id, "", "", "", null, true, false, null, Terms.None);
            var wanted = options.Apply(parse, blank, context.Database.Now);
            var made = await new KeyStore(context.Database).CreateAsync(
                new KeyOrder(payer.Account.Id, wanted.Name, wanted.Expires, wanted.Models, wanted.Terms) { CacheFor = wanted.CacheFor });
            WriteNew(context, made, payer.Account.Name);
        });
        return create;
    }

    private static Command List(CommandEnvironment environment)
    {
        var account = new Option<string?>("--account") { Description = "Only this account's", HelpName = "NAME" };
        var list = new Command("list", "Keys with status and limits; never the keys themselves") { account };
        list.OnDatabase(environment, async (context, parse) =>
        {
            var name = parse.GetValue(account);
            var of = name is null ? null : (await AccountCommands.FindAsync(context, name)).Account.Id;
            var now = context.Database.Now;
            context.Answers.WriteList(await new KeyStore(context.Database).ListAsync(of),
                ["ID", "ACCOUNT", "NAME", "PREFIX", "STATUS", "EXPIRES", "MODELS", "CACHE", "LIMITS"],
                row => [row.Entry.Id, row.Account, row.Entry.Name, row.Entry.Prefix, row.Entry.StatusAt(now), DisplayText.Time(row.Entry.Expires),
                    row.Entry.Models is null ? "all" : string.Join(',', row.Entry.Models),
                    row.Entry.CacheFor is { } cache ? Durations.Format(TimeSpan.FromMilliseconds(cache)) : "none", DisplayText.Limits(row.Entry.Terms)],
                (json, row) =>
                {
                    Members(json, row.Entry, row.Account, now);
                    json.WriteNumber("created", row.Created / 1000);
                });
        });
        return list;
    }

    private static Command Set(CommandEnvironment environment)
    {
        var which = Options.IdOrKey();
        var options = new KeyOptions(nameRequired: false);
        var set = new Command("set", "Change a key's name, expiry, models, caching or limits; none takes one away") { which };
        options.AddTo(set);
        set.OnDatabase(environment, (context, parse) =>
            ChangeAsync(context, parse.GetValue(which)!, "changed", key => options.Apply(parse, key, context.Database.Now)));
        return set;
    }

    private static Command Rotate(CommandEnvironment environment)
    {
        var which = Options.IdOrKey();
        var grace = new Option<long?>("--grace") { Description = "How long the old key still works (default: not at all)", HelpName = "24h", CustomParser = Options.ReadDuration };
        var rotate = new Command("rotate", "Make a new key in the old one's place and print it alone; name, limits, models, expiry, caching and spend carry over") { which, grace };
        rotate.OnDatabase(environment, async (context, parse) =>
        {
            var old = await FindAsync(context, parse.GetValue(which)!);
            var status = old.Entry.StatusAt(context.Database.Now);
            if (status is "revoked" or "expired")
                throw new RefusedException($"The key {old.Entry.Prefix} is {status}, so there is nothing to carry over. {MakesAnother(context, old)}");
            var made = await new KeyStore(context.Database).RotateAsync(old.Entry.Id, TimeSpan.FromMilliseconds(parse.GetValue(grace) ?? 0))
                ?? throw new RefusedException($"The key {old.Entry.Prefix} was revoked meanwhile, so there is nothing to carry over."
                    + $" {context.Next("keys list")} shows whether it was rotated.");
            WriteNew(context, made, old.Account);
        });
        return rotate;
    }

    private static Command Change(CommandEnvironment environment, string word, string description, string done, Func<KeyEntry, long, KeyEntry> change)
    {
        var which = Options.IdOrKey();
        var command = new Command(word, description) { which };
        command.OnDatabase(environment, (context, parse) => ChangeAsync(context, parse.GetValue(which)!, done, key => change(key, context.Database.Now)));
        return command;
    }

    private static async Task ChangeAsync(CommandContext context, string which, string done, Func<KeyEntry, KeyEntry> change)
    {
        var found = await FindAsync(context, which);
        // Revoking twice is done already; anything else would only seem to bring it back.
        if (found.Entry.Revoked && done != "revoked")
            throw new RefusedException($"The key {found.Entry.Prefix} is revoked for good. {MakesAnother(context, found)}");
        var after = await new KeyStore(context.Database).ChangeAsync(found.Entry.Id, change);
        var still = done == "enabled" && after!.StatusAt(context.Database.Now) == "expired"
            ? $", but it has expired: {context.Next($"keys set {after.Id} --expires 30d")} lets it in again" : "";
        context.Answers.Write($"Key {after!.Prefix} ({after.Name}) {done}{still}", json => Members(json, after, found.Account, context.Database.Now));
    }

    private static string MakesAnother(CommandContext context, KeyListing key) =>
        $"{context.Next($"keys create --account {Options.Word(key.Account)} --name {Options.Word(key.Entry.Name)}")} makes a new one.";

    public static async Task<KeyListing> FindAsync(CommandContext context, string which)
    {
        var found = await new KeyStore(context.Database).FindAsync(which);
        if (found.Count == 1) return found[0];
        if (found.Count > 1)
            throw new RefusedException($"{found.Count} keys begin like that: {string.Join(", ", found.Select(key => key.Entry.Id))}. Name one by its id.");
        if (which.Length == ApiKey.Length && !ApiKey.HasValidChecksum(which))
            throw new RefusedException($"This is no key: its checksum is wrong, so it is probably mistyped or cut. {context.Next("keys list")} shows all keys with their ids.");
        throw new RefusedException($"There is no such key. {context.Next("keys list")} shows all keys with their ids.");
    }

    private static void WriteNew(CommandContext context, NewKey made, string account) => context.Answers.Write(made.Key, json =>
    {
        json.WriteString("key", made.Key);
        Members(json, made.Entry, account, context.Database.Now);
    });

    private static void Members(Utf8JsonWriter json, KeyEntry key, string account, long now)
    {
        json.WriteString("id", key.Id);
        json.WriteString("account", account);
        json.WriteString("name", key.Name);
        json.WriteString("prefix", key.Prefix);
        json.WriteString("status", key.StatusAt(now));
        json.Count("expires", key.Expires / 1000);
        if (key.Models is null)
        {
            json.WriteNull("models");
        }
        else
        {
            json.WriteStartArray("models");
            foreach (var model in key.Models) json.WriteStringValue(model);
            json.WriteEndArray();
        }
        json.Count("cache", key.CacheFor / 1000);
        json.Limits(key.Terms);
    }
}
