-- Ledger entries were kept account by account: a commit of many accounts' replies wrote a page for each. Now they lie in the order in which they come.
-- place is where: the entry's time, or the place of the account's entry before it where the clock went back. previous is the place of that entry, 0 for
-- the first; the account names the place of its last. So an account's chain is read from its end, one entry naming the next: see Usage/LedgerChain.cs.
ALTER TABLE account ADD COLUMN ledger_place BIGINT NOT NULL DEFAULT 0;
-- The place of the record's ledger entry.
ALTER TABLE request_record ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger_entry RENAME TO ledger_entry_by_account;
CREATE TABLE ledger_entry (
  place BIGINT NOT NULL,
  account_id TEXT NOT NULL,
  seq BIGINT NOT NULL,
  previous BIGINT NOT NULL,
  kind TEXT NOT NULL,
  amount BIGINT NOT NULL,
  balance BIGINT NOT NULL,
  at BIGINT NOT NULL,
  reference TEXT NOT NULL,
  note TEXT NOT NULL,
  record_hash TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (place, account_id, seq)
) /*sqlite WITHOUT ROWID*/;
INSERT INTO ledger_entry (place, account_id, seq, previous, kind, amount, balance, at, reference, note, record_hash, hash)
  SELECT place, account_id, seq, COALESCE(LAG(place) OVER (PARTITION BY account_id ORDER BY seq), 0),
    kind, amount, balance, at, reference, note, record_hash, hash
  FROM (SELECT MAX(at) OVER (PARTITION BY account_id ORDER BY seq) AS place,
      account_id, seq, kind, amount, balance, at, reference, note, record_hash, hash FROM ledger_entry_by_account) AS placed
  ORDER BY place, account_id, seq;
DROP TABLE ledger_entry_by_account;
UPDATE account SET ledger_place = last.place
  FROM (SELECT account_id, MAX(place) AS place FROM ledger_entry GROUP BY account_id) AS last WHERE last.account_id = account.id;
CREATE INDEX ledger_entry_for_records ON ledger_entry (account_id, seq);
UPDATE request_record SET place = e.place
  FROM ledger_entry AS e WHERE e.account_id = request_record.account_id AND e.seq = request_record.seq;
DROP INDEX ledger_entry_for_records;
