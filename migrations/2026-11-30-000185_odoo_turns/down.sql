DROP INDEX odoo_outbox_turns;
