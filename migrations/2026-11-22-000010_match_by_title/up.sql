-- Every new event of a mailbox is looked for among the records of Odoo that no mailbox has. A hash, as titles may be longer
-- than a B-tree takes.
CREATE INDEX meetings_unlinked ON meetings USING hash ((odoo_state ->> 'name'))
    WHERE ical_uid IS NULL AND odoo_id IS NOT NULL;
