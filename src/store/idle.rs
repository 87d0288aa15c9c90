//! What is known of a mailbox when a run takes it: enough to see whether anything is pending.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Integer, Nullable, Text, Timestamptz};

use super::subscriptions::Subscription;

/// SQL: whether something is pending in the mailbox `a` that its own row does not say: writes, held
/// removals, events put aside or to be read, troubles, or links of Odoo's built-in sync.
pub(super) const HAS_PENDING: &str = "(
    EXISTS (SELECT FROM outlook_outbox WHERE account_id = a.id)
    OR EXISTS (SELECT FROM odoo_outbox WHERE held_for = a.id)
    OR EXISTS (SELECT FROM put_aside WHERE account_id = a.id)
    OR EXISTS (SELECT FROM copies WHERE account_id = a.id AND unread)
    OR EXISTS (SELECT FROM troubles t WHERE t.account_id = a.id AND (t.halvings <> 0 OR t.limited_by IS NOT NULL
        OR t.claims IS NOT NULL OR t.refused_since IS NOT NULL OR t.ask_addresses_at IS NOT NULL))
    OR EXISTS (SELECT FROM meetings m WHERE m.database_id = a.database_id AND m.stock_state <> 'adopted' -- as the index has it
        AND m.stock_state = 'waiting' AND (m.organizer_id = a.odoo_user_id OR a.odoo_user_id = ANY (m.attendee_user_ids))))";

/// SQL: the columns of [`Glance`], of the database `d`, the addresses `w` and the subscription `s`.
pub(super) const GLANCE: &str = "d.uuid AS database_uuid, d.base_url AS database_base_url, d.poke_key AS database_poke_key,
    d.days_ahead AS database_days_ahead, d.notify_retry_at AS database_notify_retry_at, w.told_at AS addresses_told_at,
    s.graph_id AS subscription_graph_id, s.state_hash AS subscription_state_hash, s.url_hash AS subscription_url_hash,
    s.since AS subscription_since, s.expires_at AS subscription_expires_at, s.due_at AS subscription_due_at,
    s.failures AS subscription_failures, s.heard_at AS subscription_heard_at, s.silent_since AS subscription_silent_since";

/// What is known of a mailbox beside its account, when a run takes it.
#[derive(Clone, Debug, QueryableByName)]
pub struct Glance {
    #[diesel(sql_type = Bool)]
    pub has_pending: bool,
    #[diesel(sql_type = Text)]
    pub database_uuid: String,
    #[diesel(sql_type = Text)]
    pub database_base_url: String,
    /// Sealed.
    #[diesel(sql_type = Binary)]
    pub database_poke_key: Vec<u8>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub database_days_ahead: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub database_notify_retry_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub addresses_told_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    subscription_graph_id: Option<String>,
    #[diesel(sql_type = Nullable<Binary>)]
    subscription_state_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    subscription_url_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    subscription_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    subscription_expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    subscription_due_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Integer>)]
    subscription_failures: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    subscription_heard_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    subscription_silent_since: Option<DateTime<Utc>>,
}

impl Glance {
    /// Returns the mailbox's subscription, if there is one.
    pub fn subscription(&self, account_id: i64) -> Option<Subscription> {
        Some(Subscription {
            account_id,
            graph_id: self.subscription_graph_id.clone(),
            state_hash: self.subscription_state_hash.clone()?,
            url_hash: self.subscription_url_hash.clone()?,
            since: self.subscription_since?,
            expires_at: self.subscription_expires_at,
            due_at: self.subscription_due_at?,
            failures: self.subscription_failures?,
            heard_at: self.subscription_heard_at,
            silent_since: self.subscription_silent_since,
        })
    }
}
