-- Money: nano-dollars. See docs/billing.md.

-- The end of the account's chain of ledger entries, and what it spent (charges less refunds) on the UTC day spent_on (days since 1970), in that
-- day's month and in all. Beside the balance, so that one update a commit keeps them all.
ALTER TABLE account ADD COLUMN ledger_seq BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN ledger_head TEXT NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN spent_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN spent_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN spent_month BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN spent_total BIGINT NOT NULL DEFAULT 0;

-- A running server on a shared database. One whose beat stands still is dead: its leases return.
CREATE TABLE node (
  id TEXT NOT NULL PRIMARY KEY,
  beat BIGINT NOT NULL
);

-- What a node holds of an account's money for calls in flight; the account's leased is their sum.
CREATE TABLE lease (
  node TEXT NOT NULL,
  account_id TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK (amount >= 0),
  PRIMARY KEY (node, account_id)
) /*sqlite WITHOUT ROWID*/;

-- Append-only. balance is the account's after the entry; reference is a request's id, a credit's ref or empty; hash covers the entry and the one before.
CREATE TABLE ledger_entry (
  account_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  amount BIGINT NOT NULL,
  balance BIGINT NOT NULL,
  at BIGINT NOT NULL,
  reference TEXT NOT NULL,
  note TEXT NOT NULL,
  record_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (account_id, seq)
) /*sqlite WITHOUT ROWID*/;

-- A reference credits once, whoever retries.
CREATE TABLE credit_reference (
  reference TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  amount BIGINT NOT NULL,
  seq BIGINT NOT NULL
) /*sqlite WITHOUT ROWID*/;

-- Ids are made in the order of time, so the key also lists an account's requests by time. seq is the ledger entry's; cost is what left the balance;
-- detail is the record as JSON, of which the entry holds the hash.
CREATE TABLE request_record (
  account_id TEXT NOT NULL,
  id TEXT NOT NULL,
  created BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (account_id, id)
) /*sqlite WITHOUT ROWID*/;
