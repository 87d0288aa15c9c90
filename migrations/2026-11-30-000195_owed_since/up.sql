-- Since when a change waits for Odoo, for the metrics. A constant default rewrites no row.
ALTER TABLE odoo_outbox ADD COLUMN since timestamptz NOT NULL DEFAULT now();
