-- Who may use the console. kind is link (works once) or session; hash is the SHA-256 in hex of what the link or the browser's cookie holds; account_id is
-- whose console it is, null for the operator's.
CREATE TABLE sign_in (
  hash TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  account_id TEXT,
  expires BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;
