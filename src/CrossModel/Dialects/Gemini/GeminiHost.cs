namespace CrossModel.Dialects.Gemini;

/// <summary>In what the two hosts of Google's models differ. Body and stream are the same.</summary>
/// <param name="StateKind">Whose reasoning state it is: one host takes the other's for a forgery.</param>
/// <param name="CallIds">Calls and results carry ids.</param>
/// <param name="ServiceTier">The body has <c>serviceTier</c>; else headers say it.</param>
/// <param name="FilesApi">Files uploaded to the provider can be named.</param>
/// <param name="FetchesAddresses">Public https addresses may be left to the provider, where the model does that.</param>
internal sealed record GeminiHost(string StateKind, bool CallIds, bool ServiceTier, bool FilesApi, bool FetchesAddresses)
{
    /// <summary><c>gs://</c> addresses can be named. They are read with the operator's own rights: only where the operator has allowed it.</summary>
    public bool CloudStorage { get; init; }

    public static GeminiHost GeminiApi { get; } = new(GoogleState.Kind, CallIds: true, ServiceTier: true, FilesApi: true, FetchesAddresses: true);

    // Vertex AI fetches too, but obeys robots.txt and fails where a gateway would not.
    public static GeminiHost VertexAI { get; } = new("vertex", CallIds: false, ServiceTier: false, FilesApi: false, FetchesAddresses: false);
}
