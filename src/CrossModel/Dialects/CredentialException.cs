namespace CrossModel.Dialects;

/// <summary>A token could not be had: the operator's to mend. The message names the kind of credential, never its value.</summary>
internal sealed class CredentialException(string message, Exception? inner = null) : Exception(message, inner);
