-- What left the balance, a key and UTC day (days since 1970): written in the settlement's transaction, read at first sight of a key whose spend is limited.
-- It outlives pruned request records.
CREATE TABLE spend (
  account_id TEXT NOT NULL,
  key_id TEXT NOT NULL,
  day BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (account_id, key_id, day)
) /*sqlite WITHOUT ROWID*/;

-- Only where several nodes share a database: how much of its limits each may admit by itself. The row of limit_subject is the lock behind which
-- the shares of one key or account are dealt, so that they never sum to more than the limit.
CREATE TABLE limit_subject (
  subject TEXT NOT NULL PRIMARY KEY,
  deals BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;
CREATE TABLE limit_share (
  subject TEXT NOT NULL,
  node TEXT NOT NULL,
  requests BIGINT NOT NULL,
  tokens BIGINT NOT NULL,
  parallel BIGINT NOT NULL,
  spend BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (subject, node)
) /*sqlite WITHOUT ROWID*/;
CREATE INDEX limit_share_node ON limit_share (node);
