-- Microsoft asked for a pause (Retry-After): the mailbox is not worked before, whoever wakes it.
ALTER TABLE accounts ADD COLUMN rest_until timestamptz;
