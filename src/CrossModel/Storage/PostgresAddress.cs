using Npgsql;

namespace CrossModel.Storage;

/// <summary>The <c>postgresql://user:password@host:port/db?sslmode=…</c> form that every PostgreSQL tool takes, turned into the driver's own.</summary>
internal static class PostgresAddress
{
    public static bool IsOne(string address) =>
        address.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase) || address.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase);

    /// <summary>What is wrong with an address; null: nothing, or it is not PostgreSQL's.</summary>
    public static string? Fault(string address)
    {
        try
        {
            if (IsOne(address)) ToConnectionString(address);
            return null;
        }
        catch (DatabaseException e)
        {
            return e.Message.TrimEnd('.');
        }
    }

    /// <summary>Throws <see cref="DatabaseException"/> naming the part that is wrong, never the password.</summary>
    public static string ToConnectionString(string address)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri))
            throw new DatabaseException("The PostgreSQL address cannot be read."
                + " Write postgresql://user:password@host:port/db, with special characters percent-encoded (@ is %40).");
        var parts = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host.Length == 0 ? "localhost" : uri.Host.Trim('[', ']'),
            Port = uri.Port > 0 ? uri.Port : 5432,
            // Statements are few and constant: each stays prepared on its connection after its second use.
            MaxAutoPrepare = 200,
            AutoPrepareMinUsages = 2,
            ApplicationName = "crossmodel",
            MaxPoolSize = 30,
            Timeout = 5,
            CommandTimeout = 30,
            // A server that vanished without a word is found out in seconds, not in the operating system's two hours.
            KeepAlive = 10,
            IncludeErrorDetail = false,
        };
        var user = uri.UserInfo.Split(':', 2);
        if (user[0].Length > 0) parts.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1) parts.Password = Uri.UnescapeDataString(user[1]);
        var database = Uri.UnescapeDataString(uri.AbsolutePath.Trim('/'));
        if (database.Length == 0) throw new DatabaseException("The PostgreSQL address names no database. Write postgresql://user:password@host/DATABASE.");
        parts.Database = database;
        foreach (var pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var name = Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]);
            var value = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..]);
            Set(parts, name, value);
        }
        if (parts.TargetSessionAttributes is not (null or "any" or "primary" or "read-write"))
            throw new DatabaseException("The PostgreSQL address asks by \"target_session_attrs\" for a server that takes no writes. Write primary, or leave it out.");
        if (parts is { TargetSessionAttributes: not (null or "any") } && parts.Host?.Contains(',', StringComparison.Ordinal) != true)
            throw new DatabaseException("The PostgreSQL address has \"target_session_attrs\", which chooses between several servers, and names one."
                + " Name them all, as in ?Host=a:5432,b:5432&target_session_attrs=primary, or leave it out.");
        // Where it is needed: the driver would say of one that is not there what it says of a server that is not believed.
        if (parts is { SslMode: SslMode.VerifyCA or SslMode.VerifyFull, RootCertificate.Length: > 0 } && !File.Exists(parts.RootCertificate))
            throw new DatabaseException("The PostgreSQL address names a file in \"sslrootcert\" that does not exist or may not be seen by this user. Write its whole path.");
        return parts.ConnectionString;
    }

    private static void Set(NpgsqlConnectionStringBuilder parts, string name, string value)
    {
        // libpq's spellings, then whatever the driver knows by its own.
        var own = name switch
        {
            "sslmode" => "SSL Mode",
            "sslrootcert" => "Root Certificate",
            "sslcert" => "SSL Certificate",
            "sslkey" => "SSL Key",
            "connect_timeout" => "Timeout",
            "application_name" => "Application Name",
            "target_session_attrs" => "Target Session Attributes",
            _ => name,
        };
        if (name == "sslmode") value = value.Replace("-", "", StringComparison.Ordinal);
        try
        {
            parts[own] = value;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            throw new DatabaseException($"The PostgreSQL address has a parameter \"{name}\" that is unknown or has no good value."
                + " Known are sslmode, sslrootcert, sslcert, sslkey, connect_timeout, application_name, target_session_attrs and Npgsql's own.", e);
        }
    }
}
