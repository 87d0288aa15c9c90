-- Occurrences that are synced as single events are found by their series.
CREATE INDEX copies_series ON copies (account_id, (wire ->> 'seriesMasterId')) WHERE wire ->> 'seriesMasterId' IS NOT NULL;
