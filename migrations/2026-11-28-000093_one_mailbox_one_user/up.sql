-- Two logins at once could connect one mailbox for two users: the later one is let go, and logs in again.
UPDATE accounts later
   SET tenant_id = '', object_id = '', state = 'need_auth', access_token = NULL, refresh_token = NULL,
       access_expires_at = NULL, reason = 'This mailbox is connected for another user of this Odoo already.'
  FROM accounts earlier
 WHERE earlier.database_id = later.database_id AND earlier.tenant_id = later.tenant_id
   AND earlier.object_id = later.object_id AND later.object_id <> '' AND earlier.id < later.id;
CREATE UNIQUE INDEX accounts_mailbox ON accounts (database_id, tenant_id, object_id) WHERE object_id <> '';
