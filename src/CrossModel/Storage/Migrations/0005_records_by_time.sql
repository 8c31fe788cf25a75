-- Records were kept account by account: a commit of many accounts' replies wrote a page for each. Now they lie in the order in which they came, found by
-- their id; an account's own are found through its ledger entries, which name them.
ALTER TABLE request_record RENAME TO request_record_by_account;
CREATE TABLE request_record (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL,
  created BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  cost BIGINT NOT NULL,
  detail TEXT NOT NULL
);
INSERT INTO request_record (id, account_id, created, seq, cost, detail)
  SELECT id, account_id, created, seq, cost, detail FROM request_record_by_account ORDER BY id;
DROP TABLE request_record_by_account;
