using CrossModel.Accounts;
using CrossModel.Storage;

namespace CrossModel.Limits;

/// <summary>Whose limit it is.</summary>
internal enum Scope { Key, Account, Model }

/// <summary>Whose use is counted: a key's (all keys that were rotated from one another count as one), an account's, or an account's use of one model.</summary>
/// <param name="Name">The key's line, or the model's id; empty for an account.</param>
internal sealed record Subject(Scope Scope, string AccountId, string Name)
{
    /// <summary>As an error says it.</summary>
    public string Whose => Scope switch
    {
        Scope.Key => "this key",
        Scope.Account => "this account",
        _ => "this account for model " + Name,
    };

    /// <summary>As the nodes of one database call it.</summary>
    public string Id => Scope switch
    {
        Scope.Key => "key:" + Name,
        Scope.Account => "account:" + AccountId,
        _ => $"model:{AccountId}/{Name}",
    };

    public Task<Spent> ReadSpentAsync(Session session, long day) => Scope switch
    {
        Scope.Key => SpendStore.ReadAsync(session, AccountId, Name, day),
        Scope.Account => SpendStore.ReadAsync(session, AccountId, null, day),
        _ => SpendStore.ReadModelAsync(session, AccountId, Name, day),
    };
}
