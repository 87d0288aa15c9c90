-- The span that planned a write, as the header `traceparent` has it; empty while traces are off.
ALTER TABLE outlook_outbox ADD COLUMN trace text;
