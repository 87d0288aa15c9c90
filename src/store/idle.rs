//! Mailboxes in which nothing is pending, so that a poll need only ask Microsoft for changes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// SQL: whether nothing is pending in the mailbox `a` of the database `d`, so that its delta is all
/// that there is to look at. `$6` is the present, `$7` how many days ahead mailboxes are read unless
/// their database says otherwise, `$8` whether there are notifications.
///
/// It names every reason for which a run does more than to read an empty delta:
///
/// * the account's own state, a token that is to be renewed, a window that is to be renewed;
/// * writes and held removals, events put aside or to be read, troubles, links of Odoo's built-in
///   sync, addresses to be asked for;
/// * a subscription that is to be made, renewed or doubted (see `mailbox::subscriptions`).
pub(super) const IS_IDLE: &str = "(
    a.state = 'active' AND a.existing = 'told' AND a.pulled_once AND a.listing_since IS NULL AND NOT a.resetting
    AND a.brake_at IS NULL AND a.mails_held = 0 AND a.reason IS NULL AND a.failures = 0
    AND a.access_token IS NOT NULL AND a.access_expires_at > $6 + interval '5 minutes'
    AND a.delta_link IS NOT NULL AND a.window_end > $6 + (coalesce(d.days_ahead, $7) / 2 + 1) * interval '1 day'
    AND NOT EXISTS (SELECT FROM outlook_outbox WHERE account_id = a.id)
    AND NOT EXISTS (SELECT FROM odoo_outbox WHERE held_for = a.id)
    AND NOT EXISTS (SELECT FROM put_aside WHERE account_id = a.id)
    AND NOT EXISTS (SELECT FROM copies WHERE account_id = a.id AND unread)
    AND NOT EXISTS (SELECT FROM troubles t WHERE t.account_id = a.id AND (t.halvings <> 0 OR t.limited_by IS NOT NULL
        OR t.claims IS NOT NULL OR t.refused_since IS NOT NULL OR t.ask_addresses_at IS NOT NULL))
    AND NOT EXISTS (SELECT FROM meetings m WHERE m.database_id = d.id AND m.stock_state <> 'adopted' -- as the index has it
        AND m.stock_state = 'waiting' AND (m.organizer_id = a.odoo_user_id OR a.odoo_user_id = ANY (m.attendee_user_ids)))
    AND EXISTS (SELECT FROM account_addresses WHERE account_id = a.id AND told_at > now() - interval '1 day')
    AND CASE
        WHEN NOT $8 THEN s.account_id IS NULL
        WHEN s.graph_id IS NULL AND d.notify_retry_at > $6 THEN true
        ELSE s.due_at > $6 AND NOT (s.silent_since IS NULL AND a.news_at > s.since + interval '10 seconds'
            AND a.news_at < $6 - interval '3 minutes'
            AND (s.heard_at IS NULL OR s.heard_at < a.news_at - interval '10 seconds'))
    END)";

/// SQL: whether the subscription `s` announces the mailbox's changes.
pub(super) const IS_HEARD: &str = "(s.graph_id IS NOT NULL AND s.silent_since IS NULL AND s.expires_at > $6)";

/// What a poll of an idle mailbox needs.
#[derive(Clone, Debug)]
pub struct IdleMailbox {
    pub database_id: Uuid,
    pub odoo_user_id: i32,
    /// Sealed.
    pub access_token: Vec<u8>,
    pub delta_link: String,
    pub news_at: Option<DateTime<Utc>>,
    pub watched_until: Option<DateTime<Utc>>,
    /// Whether notifications announce its changes.
    pub is_heard: bool,
}
