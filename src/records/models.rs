//! The models: where their rows come from. `$1` is the id of the database.

use super::{Field, Kind, Model};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

/// The users who have connected a mailbox.
pub const ACCOUNT: Model = Model {
    name: "outlook.bridge.account",
    fields: &[
        field("id", Kind::Id),
        field("user_id", Kind::Id),
        field("login", Kind::Text),
        // `active`, `stopped` or `need_auth`.
        field("state", Kind::Text),
        field("resetting", Kind::Boolean),
        field("connected_at", Kind::Datetime),
        field("last_sync", Kind::Datetime),
        // Changes that are still to be written there.
        field("to_outlook", Kind::Integer),
        field("to_odoo", Kind::Integer),
        // Since when the oldest of both waits.
        field("owed_since", Kind::Datetime),
        // Events that cannot be processed, and are tried again.
        field("set_aside", Kind::Integer),
        // Events with guests that wait for a choice.
        field("waiting", Kind::Integer),
        // Mails that wait for approval.
        field("mails", Kind::Integer),
        // Removals from Odoo that wait for an administrator.
        field("removals", Kind::Integer),
    ],
    source: "SELECT a.id, a.odoo_user_id AS user_id, a.login, a.state, a.resetting, a.connected_at,
            a.last_sync_at AS last_sync, w.count AS to_outlook, d.count AS to_odoo,
            least(w.since, d.since) AS owed_since, p.count AS set_aside, a.waiting, a.mails_held AS mails,
            CASE WHEN a.brake_at IS NULL THEN 0 ELSE a.brake_removals END AS removals
       FROM accounts a
      CROSS JOIN LATERAL (SELECT count(*) AS count, min(m.saved_at) AS since
                            FROM outlook_outbox o JOIN meetings m ON m.id = o.meeting_id
                           WHERE o.account_id = a.id) AS w
      CROSS JOIN LATERAL (SELECT count(*) AS count, min(since) AS since FROM odoo_outbox
                           WHERE database_id = a.database_id AND user_id = a.odoo_user_id) AS d
      CROSS JOIN LATERAL (SELECT count(*) AS count FROM put_aside
                           WHERE account_id = a.id AND reason_code <> 'no_time') AS p
      WHERE a.database_id = $1",
    order: "login",
    readers: &["user_id"],
};

/// What was done, the latest first.
pub const JOURNAL: Model = Model {
    name: "outlook.bridge.journal",
    fields: &[
        field("id", Kind::Id),
        field("time", Kind::Datetime),
        // `info`, `warning` or `error`.
        field("level", Kind::Text),
        field("title", Kind::Text),
        field("message", Kind::Text),
        field("message_words", Kind::Sentence),
        // Where it was written: `odoo`, `outlook`, or nowhere.
        field("side", Kind::Text),
        // How many mails Outlook sent because of it.
        field("mails", Kind::Integer),
        // Whose mailbox it is about, and who organizes the event.
        field("user_id", Kind::Id),
        field("organizer_id", Kind::Id),
        // The event in Odoo, and the key of its series.
        field("res_id", Kind::Id),
        field("key", Kind::Text),
        // What both sides had changed, whose value was kept (`odoo`, `outlook`), and both values.
        field("conflict_field", Kind::Text),
        // The date of the occurrence that it is about.
        field("conflict_slot", Kind::Text),
        field("conflict_kept", Kind::Text),
        field("conflict_odoo", Kind::Text),
        field("conflict_odoo_words", Kind::Sentence),
        field("conflict_outlook", Kind::Text),
        field("conflict_outlook_words", Kind::Sentence),
        // The value that was not kept can be written to Odoo's event, also by an add-on that does not
        // know `by_occurrence` of `other_value`.
        field("can_take_other", Kind::Boolean),
        // It can be written by one that does.
        field("can_take_by_occurrence", Kind::Boolean),
    ],
    source: "SELECT id, at AS time, level, title, message, words AS message_words, side, mails, odoo_user_id AS user_id,
            organizer_id, odoo_id AS res_id, series_key AS key, conflict_field, conflict_slot::text AS conflict_slot, conflict_kept,
            conflict_odoo, conflict_odoo_words, conflict_outlook, conflict_outlook_words,
            conflict_other IS NOT NULL AND conflict_slot IS NULL
                AND NOT conflict_other ?| ARRAY['reminder_minutes', 'rule'] AS can_take_other,
            conflict_other IS NOT NULL AS can_take_by_occurrence
       FROM journal WHERE database_id = $1",
    order: "id desc",
    // As the rule of the add-on says.
    readers: &["user_id", "organizer_id"],
};

/// The meetings that both sides know, or one of them.
pub const MEETING: Model = Model {
    name: "outlook.bridge.meeting",
    fields: &[
        field("id", Kind::Id),
        field("title", Kind::Text),
        // Who organizes it in Odoo.
        field("user_id", Kind::Id),
        field("res_id", Kind::Id),
        field("key", Kind::Text),
        field("is_series", Kind::Boolean),
        // When it begins, or its first occurrence.
        field("start", Kind::Datetime),
        // One of the words below.
        field("state", Kind::Text),
        // Why it is not synced.
        field("reason", Kind::Reason),
        field("reason_words", Kind::SentenceOfReason),
        field("reason_code", Kind::Text),
        // When it was deleted.
        field("deleted_at", Kind::Datetime),
    ],
    source: "SELECT m.id,
            coalesce(m.odoo_name, (SELECT c.title FROM copies c WHERE c.meeting_id = m.id AND c.title IS NOT NULL
                                    ORDER BY c.is_organizer DESC, c.id LIMIT 1)) AS title,
            m.organizer_id AS user_id, m.odoo_id AS res_id, m.series_key AS key,
            m.series_key IS NOT NULL AS is_series,
            m.odoo_start AS start,
            CASE WHEN m.stub IS NOT NULL THEN 'past'
                 WHEN m.put_back THEN 'put_back'
                 WHEN m.ended AND m.odoo_state IS NOT NULL AND (m.odoo_gone OR NOT m.odoo_active) THEN 'deleted'
                 WHEN m.ended THEN 'over'
                 WHEN m.set_aside_code IN ('waits_for_choice', 'waits_for_choice_again') THEN 'waiting'
                 WHEN m.set_aside IS NOT NULL THEN 'set_aside'
                 WHEN EXISTS (SELECT FROM odoo_outbox d WHERE d.meeting_id = m.id) THEN 'to_odoo'
                 WHEN EXISTS (SELECT FROM outlook_outbox w WHERE w.meeting_id = m.id) THEN 'to_outlook'
                 WHEN m.differs THEN 'differs'
                 WHEN NOT EXISTS (SELECT FROM copies c WHERE c.meeting_id = m.id AND NOT c.gone) THEN 'odoo_alone'
                 WHEN m.odoo_state IS NULL OR m.odoo_gone THEN 'outlook_alone'
                 ELSE 'synced' END AS state,
            m.set_aside AS reason, m.set_aside AS reason_words, m.set_aside_code AS reason_code,
            CASE WHEN m.ended THEN m.ended_at END AS deleted_at
       FROM meetings m WHERE m.database_id = $1",
    order: "id desc",
    readers: &["user_id"],
};

/// What could not be processed, and is tried again.
pub const TROUBLE: Model = Model {
    name: "outlook.bridge.trouble",
    fields: &[
        field("id", Kind::Id),
        field("user_id", Kind::Id),
        field("title", Kind::Text),
        field("meeting_id", Kind::Id),
        field("res_id", Kind::Id),
        field("key", Kind::Text),
        field("reason", Kind::Reason),
        field("reason_words", Kind::SentenceOfReason),
        field("reason_code", Kind::Text),
        field("attempts", Kind::Integer),
        field("since", Kind::Datetime),
        field("next_at", Kind::Datetime),
    ],
    source: "SELECT p.id, a.odoo_user_id AS user_id, coalesce(m.odoo_name, c.title) AS title,
            coalesce(p.meeting_id, c.meeting_id) AS meeting_id, m.odoo_id AS res_id, m.series_key AS key,
            p.reason, p.reason AS reason_words, p.reason_code, p.attempts, p.since, p.next_at
       FROM put_aside p
       JOIN accounts a ON a.id = p.account_id
       LEFT JOIN copies c ON c.account_id = p.account_id AND c.graph_id = p.graph_id
       LEFT JOIN meetings m ON m.id = coalesce(p.meeting_id, c.meeting_id)
      WHERE a.database_id = $1 AND p.reason_code <> 'no_time'",
    order: "since, id",
    readers: &["user_id"],
};
