-- Who may call, and what changed. Money is nano-dollars, times are unix milliseconds, flags are 0/1.

-- One counter a kind of thing; nodes ask for it several times a second. See Storage/ChangeFeed.cs.
CREATE TABLE change (
  kind TEXT NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL
);

-- balance is the sum of the account's ledger entries; leased is the part that nodes hold for calls in flight.
-- changed numbers the last change of name, status or terms (not of money).
CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  enabled BIGINT NOT NULL,
  balance BIGINT NOT NULL,
  leased BIGINT NOT NULL CHECK (leased >= 0),
  credit_limit BIGINT NOT NULL CHECK (credit_limit >= 0),
  rpm BIGINT,
  tpm BIGINT,
  parallel BIGINT,
  spend_day BIGINT,
  spend_month BIGINT,
  spend_total BIGINT,
  created BIGINT NOT NULL,
  changed BIGINT NOT NULL
);
CREATE INDEX account_changed ON account (changed);

-- line is the id of the first key that this one was rotated from (its own if none): limits and spend count by line, so that a rotation keeps them.
-- models is a comma-separated list, null: all.
CREATE TABLE api_key (
  id TEXT NOT NULL PRIMARY KEY,
  line TEXT NOT NULL,
  account_id TEXT NOT NULL REFERENCES account (id),
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  expires BIGINT,
  enabled BIGINT NOT NULL,
  revoked BIGINT NOT NULL,
  models TEXT,
  rpm BIGINT,
  tpm BIGINT,
  parallel BIGINT,
  spend_day BIGINT,
  spend_month BIGINT,
  spend_total BIGINT,
  created BIGINT NOT NULL,
  changed BIGINT NOT NULL
);
CREATE INDEX api_key_changed ON api_key (changed);
CREATE INDEX api_key_account ON api_key (account_id);
CREATE INDEX api_key_prefix ON api_key (prefix);
