-- What both sides had changed, which value was kept, and the other one as Odoo's fields.
ALTER TABLE journal
    ADD COLUMN conflict_field text,
    ADD COLUMN conflict_kept text CHECK (conflict_kept IN ('odoo', 'outlook')),
    ADD COLUMN conflict_odoo text,
    ADD COLUMN conflict_outlook text,
    ADD COLUMN conflict_other jsonb;
CREATE INDEX journal_conflicts ON journal (database_id, id DESC) WHERE conflict_field IS NOT NULL;
