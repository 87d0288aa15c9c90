-- Users take turns in the changes that are sent to Odoo (src/store/outbox.rs, `odoo_page`).
CREATE INDEX odoo_outbox_turns ON odoo_outbox (database_id, user_id, id) INCLUDE (not_before) WHERE held_for IS NULL;
