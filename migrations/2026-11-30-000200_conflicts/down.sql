ALTER TABLE journal
    DROP COLUMN conflict_field,
    DROP COLUMN conflict_kept,
    DROP COLUMN conflict_odoo,
    DROP COLUMN conflict_outlook,
    DROP COLUMN conflict_other;
