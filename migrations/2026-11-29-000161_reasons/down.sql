ALTER TABLE put_aside ALTER COLUMN reason TYPE text
    USING CASE reason ->> 'code' WHEN 'no_time' THEN 'there was no time to look at it yet' ELSE reason ->> 'code' END;
ALTER TABLE meetings ALTER COLUMN set_aside TYPE text USING set_aside ->> 'code';
