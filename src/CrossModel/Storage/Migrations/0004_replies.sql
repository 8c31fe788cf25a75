-- Replies kept for callers who repeat a call with the same Idempotency-Key. key_hash and body_hash are SHA-256 in hex; reply is base64 of the
-- encrypted bytes, null while the first call runs. node is who runs it: a dead node's run has ended.
CREATE TABLE stored_reply (
  account_id TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  node TEXT NOT NULL,
  request_id TEXT NOT NULL,
  expires BIGINT NOT NULL,
  content_type TEXT,
  reply TEXT,
  PRIMARY KEY (account_id, key_hash)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX stored_reply_expires ON stored_reply (expires);
