ALTER TABLE accounts DROP COLUMN news_at, DROP COLUMN watched_until;
ALTER TABLE databases DROP COLUMN notify_retry_at, DROP COLUMN notify_problem, DROP COLUMN poked_at;
DROP TABLE subscriptions;
