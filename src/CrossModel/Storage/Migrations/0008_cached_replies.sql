-- Replies that other calls may get (x-crossmodel-cache). How long a key's replies are kept for that, in milliseconds; null: the key allows it not.
ALTER TABLE api_key ADD COLUMN cache BIGINT;
-- When a cached reply was kept. Under its Idempotency-Key a reply is not asked for its age.
ALTER TABLE stored_reply ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;
