-- Why something is not synced has a code, and the words of others as details: {"code": …, "detail": …}. What it was called until
-- now is known by the beginning of its sentence, where something depends on it.
ALTER TABLE meetings ALTER COLUMN set_aside TYPE jsonb USING CASE
    WHEN set_aside LIKE 'Its organizer was changed in Odoo to somebody whose%' THEN '{"code": "organizer_unconnected"}'::jsonb
    WHEN set_aside LIKE 'Odoo was restored to a time%' THEN '{"code": "organizer_restored"}'
    WHEN set_aside LIKE 'What Odoo has told of it last%'
        THEN jsonb_build_object('code', 'not_taken_over', 'detail', split_part(set_aside, ': ', 2))
    WHEN set_aside LIKE 'Odoo refused it%'
        THEN jsonb_build_object('code', 'refused_by_odoo', 'detail', split_part(set_aside, ': ', 2))
    WHEN set_aside IS NOT NULL THEN '{"code": "of_another_version"}'
END;

ALTER TABLE put_aside ALTER COLUMN reason TYPE jsonb USING CASE
    WHEN reason = 'there was no time to look at it yet' THEN '{"code": "no_time"}'::jsonb
    WHEN reason IS NOT NULL THEN '{"code": "of_another_version"}'
END;
