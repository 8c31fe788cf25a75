namespace CrossModel;

/// <summary>What could not be started, in words for the operator.</summary>
internal sealed class StartException(string message, Exception? inner = null) : Exception(message, inner);
