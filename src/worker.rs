//! Works mailboxes. One worker at a time works a mailbox, in whichever process: a lease ensures
//! this ([`leases`]).

pub mod listen;
pub mod pruning;
pub mod upkeep;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auth::accounts::{TokenError, challenged, fresh_token};
use crate::engine::lease;
use crate::engine::throttling::TenantOfApp;
use crate::engine::{Engine, Settings, now};
use crate::guards::brake;
use crate::mailbox::error::PullError;
use crate::mailbox::idle::{PollOutcome, poll};
use crate::mailbox::pull::further::{follows_calendars, pull_further};
use crate::mailbox::pull::pull;
use crate::mailbox::push::{PushError, push};
use crate::mailbox::subscriptions::{self, Hearing};
use crate::mailbox::trouble::{Rest, backoff, writes_on_hold};
use crate::measures;
use crate::migration::moving;
use crate::outlook::GraphError;
use crate::planning::planner::Effects;
use crate::reset;
use crate::store::accounts::{self, Account, BackfillState};
use crate::store::databases::Database;
use crate::store::leases::{
    self, Claimed, Claims, LEASE, Lease, LeaseLost, Next, Outcome, Places, Standing, Urgency,
};
use crate::store::{Connection, databases, outbox, put_aside, registrations, troubles};
use crate::traces;

/// How often to look for due mailboxes without a notification, as another process may have made one
/// due.
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How long a run works before others get their turn. It continues at its next turn.
const SLICE: Duration = Duration::from_secs(5);
/// How long a run may take altogether. A run that takes longer has failed.
const LONGEST_RUN: Duration = Duration::from_secs(15 * 60);

/// How often a mailbox is read whose changes are announced, in case a notification was lost.
const SWEEP: TimeDelta = TimeDelta::minutes(15);
/// How often a mailbox is polled while its user looks at the calendar.
const WATCHED: TimeDelta = TimeDelta::seconds(15);

/// Works mailboxes until told to stop; then waits for the current runs.
pub async fn work(engine: Engine, stop: CancellationToken) {
    let mut runs = JoinSet::new();
    let mut others = Others::default();
    let places = Free::of(&engine.settings);
    let pause = pause(&engine.settings);
    loop {
        let claimed = async {
            others.free_dead(&engine).await?;
            claim(&engine, &places).await
        };
        let mut may_be_more = false;
        match claimed.await {
            Ok((taken, claimed, all_taken)) => {
                may_be_more = all_taken;
                for claimed in claimed {
                    let (engine, places) = (engine.clone(), places.clone());
                    runs.spawn(async move { run(&engine, &places, claimed, taken).await });
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "cannot look for work");
                sleep(LOOK_AROUND).await;
            }
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    while runs.join_next().await.is_some() {}
                    return;
                }
                () = engine.work.notified() => break,
                // The end of a run makes a place, which matters if there was none for another mailbox.
                Some(_) = runs.join_next(), if !runs.is_empty() => if may_be_more { break },
                () = sleep(pause) => break,
            }
        }
    }
}

/// Returns how long to wait for a notification before looking for due mailboxes: not longer than
/// mailboxes rest.
fn pause(settings: &Settings) -> Duration {
    let rest = settings.poll_interval.to_std().unwrap_or_default();
    rest.clamp(Duration::from_millis(100), LOOK_AROUND)
}

/// The places of this process that are free.
#[derive(Clone, Debug)]
pub struct Free {
    workers: Arc<Semaphore>,
    patient: Arc<Semaphore>,
    polls: Arc<Semaphore>,
}

/// A run's place. It is free again when this is dropped.
type Place = Vec<OwnedSemaphorePermit>;

impl Free {
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let places = |number: usize| Arc::new(Semaphore::new(number));
        Self {
            workers: places(settings.workers),
            patient: places(most_of(settings.workers)),
            polls: places(settings.polls),
        }
    }

    fn count(&self) -> Places {
        let workers = number(self.workers.available_permits());
        Places {
            workers,
            patient: workers.min(number(self.patient.available_permits())),
            polls: number(self.polls.available_permits()),
        }
    }

    /// Waits for a place. Usually there is one, as no more mailboxes are taken than there are.
    async fn enter(&self, urgency: Urgency) -> anyhow::Result<Place> {
        let mut place = Place::new();
        for places in self.needed(urgency) {
            place.push(places.clone().acquire_owned().await?);
        }
        Ok(place)
    }

    /// Returns a place, if there is one now.
    fn try_enter(&self, urgency: Urgency) -> Option<Place> {
        self.needed(urgency)
            .into_iter()
            .map(|places| places.clone().try_acquire_owned().ok())
            .collect()
    }

    fn needed(&self, urgency: Urgency) -> Vec<&Arc<Semaphore>> {
        match urgency {
            Urgency::Poll => vec![&self.polls],
            urgency if urgency.takes_the_last_workers() => vec![&self.workers],
            _ => vec![&self.patient, &self.workers],
        }
    }
}

/// Takes as many mailboxes as there are places for. Returns the time from before they were taken,
/// the mailboxes, and whether a kind of place was used up, so that more mailboxes may be due.
async fn claim(engine: &Engine, places: &Free) -> anyhow::Result<(Instant, Vec<Claimed>, bool)> {
    let taken = Instant::now();
    let free = places.count();
    if free.workers == 0 && free.polls == 0 {
        return Ok((taken, Vec::new(), true));
    }
    let mut conn = engine.store.get().await?;
    let claims = Claims {
        process: engine.process,
        present: now(),
        free,
        share: Places {
            workers: number(most_of(engine.settings.workers)),
            patient: 0,
            polls: number(most_of(engine.settings.polls)),
        },
    };
    let claimed = leases::claim_due(&mut conn, claims).await?;
    for one in &claimed {
        measures::POLL_LATE.record(one.urgency.name(), one.late);
    }
    let polls = number(claimed.iter().filter(|one| one.urgency == Urgency::Poll).count());
    let runs = number(claimed.len()) - polls;
    let all_taken = polls >= free.polls || runs >= free.patient;
    Ok((taken, claimed, all_taken))
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns three quarters of the places, and at least one: what one database may have if there are
/// others, and what runs may have for which nobody waits.
fn most_of(places: usize) -> usize {
    let kept = (places / 4).max(1);
    places.saturating_sub(kept).max(1)
}

/// The leases of all processes, and since when each is unchanged.
#[derive(Default)]
struct Others {
    looked: Option<Instant>,
    seen: HashMap<Uuid, (Standing, Instant)>,
}

impl Others {
    /// Frees the leases that nobody has renewed for as long as a lease is valid.
    async fn free_dead(&mut self, engine: &Engine) -> anyhow::Result<()> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_AROUND) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        let mut conn = engine.store.get().await?;
        let standing = leases::standing(&mut conn).await?;
        // After the read, so that no lease seems older than it is.
        let read = Instant::now();
        let before = std::mem::take(&mut self.seen);
        for lease in standing {
            let since = match before.get(&lease.id) {
                Some((earlier, since)) if *earlier == lease => *since,
                _ => read,
            };
            self.seen.insert(lease.id, (lease, since));
            if since.elapsed() > LEASE && leases::free(&mut conn, lease).await? {
                tracing::warn!(
                    account.id = lease.account_id,
                    "a lease was not renewed: the mailbox is free again"
                );
            }
        }
        Ok(())
    }
}

/// Runs one mailbox once, under a lease that was taken at `taken` or later.
pub async fn run(engine: &Engine, places: &Free, claimed: Claimed, taken: Instant) {
    let trace = traces::Span::of_run(claimed.lease.account_id, claimed.urgency.name());
    trace
        .around(run_once(engine, places, claimed, taken, &trace))
        .await;
}

#[tracing::instrument(name = "run", skip_all, fields(account.id = claimed.lease.account_id))]
async fn run_once(engine: &Engine, places: &Free, claimed: Claimed, taken: Instant, trace: &traces::Span) {
    let lease = claimed.lease;
    let mut news = News::default();
    let work = tokio::time::timeout(LONGEST_RUN, async {
        let mut place = places.enter(claimed.urgency).await?;
        match poll(engine, &claimed).await? {
            PollOutcome::Unchanged {
                at,
                delta_link,
                hearing,
            } => Ok(Ended {
                outcome: Outcome::Idle { at, delta_link },
                next: Next {
                    rest: until_next_poll(&engine.settings, &claimed.account, hearing, now()),
                    urgency: Urgency::Poll,
                },
            }),
            PollOutcome::Failed(error) => {
                let (account, database) = read(engine, lease).await?;
                trouble(engine, &account, &database, error).await
            }
            PollOutcome::NeedsSync => {
                if claimed.urgency == Urgency::Poll {
                    let Some(worker) = places.try_enter(Urgency::News) else {
                        return Ok(Ended {
                            outcome: Outcome::Postponed,
                            next: at_once(Urgency::News),
                        });
                    };
                    place = worker;
                }
                let worked = work_mailbox(engine, lease, &mut news).await;
                drop(place);
                worked
            }
        }
    });
    let worked = match lease::under(engine, lease, taken, work).await {
        lease::Ended::Done(Ok(worked)) => worked,
        lease::Ended::Done(Err(_)) => Err(anyhow::anyhow!("the run took more than {LONGEST_RUN:?}")),
        lease::Ended::Panicked => Err(anyhow::anyhow!("the run panicked")),
        lease::Ended::Lost => Err(LeaseLost.into()),
    };
    let ended = match worked {
        Ok(ended) => Some(ended),
        Err(error) if error.is::<LeaseLost>() => {
            tracing::warn!("the lease on the mailbox was lost");
            measures::RUN_FAILURES.add("lease_lost", 1);
            None
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a run failed");
            measures::RUN_FAILURES.add("internal", 1);
            Some(failed(engine, lease.account_id).await)
        }
    };
    let is_ok = ended
        .as_ref()
        .is_some_and(|ended| ended.outcome != Outcome::Failed);
    let kind = match &ended {
        Some(Ended {
            outcome: Outcome::Idle { .. },
            ..
        }) => "idle",
        _ => "whole",
    };
    if let Err(error) = news.tell(engine, lease, is_ok).await {
        tracing::error!(error = format!("{error:#}"), "what the run stored is not told on");
    }
    let released = async {
        let Some(Ended { outcome, next }) = ended else {
            return Ok(false);
        };
        let mut conn = engine.store.get().await?;
        anyhow::Ok(leases::release(&mut conn, lease, next, outcome).await?)
    };
    let is_due = released.await.unwrap_or_else(|error| {
        tracing::error!(
            error = format!("{error:#}"),
            "the mailbox was not given back; its lease will run out"
        );
        false
    });
    measures::RUNS.add(if is_ok { "true" } else { "false" }, 1);
    trace.note("kind", kind);
    if !is_ok {
        trace.fail("run");
    }
    measures::RUN.record(kind, taken.elapsed().as_secs_f64());
    // There may be no receiver.
    let _receivers = engine.runs.send(lease.account_id);
    if is_due {
        engine.work.notify_one();
    }
}

/// The result of a run, and when the mailbox is due again.
struct Ended {
    outcome: Outcome,
    next: Next,
}

fn at_once(urgency: Urgency) -> Next {
    Next {
        rest: TimeDelta::zero(),
        urgency,
    }
}

/// Returns when a mailbox is due that has something left to do.
fn after(rest: TimeDelta) -> Next {
    Next {
        rest,
        urgency: Urgency::Rest,
    }
}

/// Changes that a run has stored and that concern others. They outlive a run that is dropped or
/// panics.
#[derive(Default)]
struct News {
    database_id: Option<Uuid>,
    effects: Effects,
    removals: bool,
}

impl News {
    /// Wakes the other mailboxes that have something to do now, and Odoo.
    async fn tell(self, engine: &Engine, lease: Lease, is_ok: bool) -> anyhow::Result<()> {
        let Some(database_id) = self.database_id else {
            return Ok(());
        };
        let Effects {
            wake_accounts,
            poke_users,
        } = self.effects;
        let others: Vec<i64> = wake_accounts
            .into_iter()
            .filter(|other| *other != lease.account_id)
            .collect();
        if !others.is_empty() {
            let mut conn = engine.store.get().await?;
            leases::wake(&mut conn, others, Urgency::Saved).await?;
        }
        // Changes that a run stored before it failed count too.
        if self.removals || !poke_users.is_empty() || (!is_ok && engine.owes_odoo(database_id).await?) {
            engine.poke(database_id, poke_users);
        }
        Ok(())
    }
}

/// Reads the account of a run, and its database.
async fn read(engine: &Engine, lease: Lease) -> anyhow::Result<(Account, Database)> {
    let mut conn = engine.store.get().await?;
    let account = leases::account(&mut conn, lease.account_id, Some(lease.id)).await?;
    let database = databases::by_id(&conn, account.database_id).await?;
    Ok((account, database))
}

async fn work_mailbox(engine: &Engine, lease: Lease, news: &mut News) -> anyhow::Result<Ended> {
    let slice = Instant::now() + SLICE;
    let (account, database) = read(engine, lease).await?;
    news.database_id = Some(database.id);
    let token = match fresh_token(engine, &account, &database).await {
        Ok(token) => token,
        Err(TokenError::NeedsLogin) => {
            measures::RUN_FAILURES.add("login_needed", 1);
            return Ok(Ended {
                outcome: Outcome::Failed,
                next: after(TimeDelta::hours(1)),
            });
        }
        Err(TokenError::Admin) => {
            measures::RUN_FAILURES.add("app_refused", 1);
            return rest(engine, &account, Rest::after_settings(&account)).await;
        }
        Err(TokenError::Later { asked, words }) => {
            measures::RUN_FAILURES.add("login_later", 1);
            return rest(engine, &account, Rest::after_login(&account, asked, &words)).await;
        }
        Err(TokenError::Refused { words }) => {
            measures::RUN_FAILURES.add("login_refused", 1);
            return rest(engine, &account, Rest::after_refusal(&account, &words)).await;
        }
        Err(TokenError::Internal(error)) => return Err(error),
    };
    let mut all = true;
    let result = async {
        // Send what people did in Odoo first. Then the delta shows the present state of both sides.
        let refused = match push(engine, &account, &token, slice, &mut news.effects).await {
            // A mailbox that accepts no writes now can still be read.
            Err(PushError::Graph(error)) if error.allows_reading() => Some(error),
            sent => {
                sent?;
                None
            }
        };
        if !account.resetting {
            // While an administrator is asked about removals, nothing is read.
            if !account.is_braked() {
                all = moving::translate(engine, &account, &token, slice).await?;
                let account = {
                    let mut conn = engine.store.get().await?;
                    leases::account(&mut conn, lease.account_id, Some(lease.id)).await?
                };
                if all {
                    all = pull(engine, &account, &token, slice, &mut news.effects).await?;
                }
                if all {
                    all = pull_further(engine, &account, &token, slice, &mut news.effects).await?;
                }
                if all && account.existing == BackfillState::Told {
                    all = moving::look_up(engine, &account, &token, slice, &mut news.effects).await?;
                }
                if refused.is_none() {
                    push(engine, &account, &token, slice, &mut news.effects).await?;
                }
            }
            // The limit counts the removals of the whole sync.
            if all {
                news.removals = brake::check(engine, &account).await?;
            }
        }
        refused.map_or(Ok(all), |error| Err(Trouble::Graph(error)))
    }
    .await;
    match result {
        Ok(true) => finish(engine, &account, &database, &token).await,
        Ok(false) => Ok(Ended {
            outcome: Outcome::Part,
            next: at_once(Urgency::Rest),
        }),
        Err(Trouble::Graph(error)) => trouble(engine, &account, &database, error).await,
        Err(Trouble::Internal(error)) => Err(error),
    }
}

enum Trouble {
    Graph(GraphError),
    Internal(anyhow::Error),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<PushError> for Trouble {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Graph(error) => Self::Graph(error),
            PushError::Internal(error) => Self::Internal(error),
        }
    }
}

impl From<PullError> for Trouble {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Graph(error) => Self::Graph(error),
            PullError::Internal(error) => Self::Internal(error),
        }
    }
}

async fn finish(
    engine: &Engine,
    account: &Account,
    database: &Database,
    token: &SecretString,
) -> anyhow::Result<Ended> {
    let mut conn = engine.store.get().await?;
    if account.reason.is_some() {
        accounts::set_reason(&mut conn, account, None).await?;
    }
    if account.resetting {
        reset::finish(&mut conn, account).await?;
    }
    let present = accounts::by_id(&mut conn, account.id).await?;
    let holds = present.holds_mails();
    let known = troubles::of(&mut conn, account.id).await?;
    let owed = outbox::next_outlook_at(&mut conn, account.id, writes_on_hold(&known, holds)).await?;
    if known.limited_by.is_some() && outbox::outlook_owed(&mut conn, account.id).await? == 0 {
        // Nothing is left that the limit could stop.
        troubles::end_limit(&mut conn, account.id).await?;
    }
    if known.claims.is_some() {
        troubles::end_claims(&mut conn, account.id).await?;
    }
    let limited = known.limited_until.filter(|until| *until > now());
    if owed.is_none() {
        troubles::end_refusal(&mut conn, account.id).await?;
    }
    // While an administrator is asked, nothing is looked at.
    let aside = if present.is_braked() {
        None
    } else {
        put_aside::next_at(&mut conn, account.id).await?
    };
    let aside = aside.map(|at| at.max(now() + TimeDelta::seconds(1)));
    let next = [owed, aside, limited].into_iter().flatten().min();
    // No connection is held while Microsoft is asked.
    drop(conn);
    let read_at = now();
    let hearing = if present.resetting || present.is_braked() {
        Hearing::Polled
    } else {
        match subscriptions::keep(engine, &present, database, token).await? {
            // Nobody announces the changes of further calendars.
            Hearing::Notified if follows_calendars(&present) => Hearing::Polled,
            hearing => hearing,
        }
    };
    let poll = until_next_poll(&engine.settings, &present, hearing, now());
    let left = next.map(|at| at - now()).filter(|rest| *rest < poll);
    Ok(Ended {
        outcome: Outcome::Done { at: read_at },
        next: left.map_or(
            Next {
                rest: poll,
                urgency: Urgency::Poll,
            },
            after,
        ),
    })
}

/// Returns how long a mailbox rests before it is read although nothing asks for it. A mailbox that
/// has just changed, or whose user looks at the calendar, is read again soon.
fn until_next_poll(
    settings: &Settings,
    account: &Account,
    hearing: Hearing,
    present: DateTime<Utc>,
) -> TimeDelta {
    let times = (account.news_at, account.watched_until);
    let rest = longest_rest(settings, times, hearing, present);
    // Some of it is random, so that mailboxes do not all come at once.
    rest * rand::random_range(90..=110) / 100
}

fn longest_rest(
    settings: &Settings,
    (news_at, watched_until): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    hearing: Hearing,
    present: DateTime<Utc>,
) -> TimeDelta {
    let longest = settings.quiet_interval.max(settings.poll_interval);
    match hearing {
        Hearing::Begun => TimeDelta::zero(),
        Hearing::Notified => SWEEP.max(longest),
        Hearing::Polled if watched_until.is_some_and(|until| until > present) => {
            settings.poll_interval.min(WATCHED)
        }
        Hearing::Polled => {
            let by_age = news_at.map_or(longest, |at| (present - at) / 10);
            by_age.clamp(settings.poll_interval, longest)
        }
    }
}

async fn trouble(
    engine: &Engine,
    account: &Account,
    database: &Database,
    error: GraphError,
) -> anyhow::Result<Ended> {
    tracing::warn!(%error, "the mailbox must wait");
    measures::RUN_FAILURES.add(error.kind(), 1);
    if let GraphError::Challenged { claims } = &error {
        challenged(engine, account, database, claims).await?;
    }
    if error == GraphError::Unauthorized {
        let mut conn = engine.store.get().await?;
        accounts::expire_access(&mut conn, account.id).await?;
    }
    let rest_of_it = Rest::after_graph(&error, account);
    if matches!(error, GraphError::Throttled { .. })
        && let Some(registration) = account.registration_id
    {
        let mut conn = engine.store.get().await?;
        rest_tenant(engine, &mut conn, registration, account, rest_of_it.wait).await?;
    }
    rest(engine, account, rest_of_it).await
}

/// Lets all the app's mailboxes of a tenant rest if several of them were throttled at once.
async fn rest_tenant(
    engine: &Engine,
    conn: &mut Connection,
    registration: i64,
    account: &Account,
    wait: TimeDelta,
) -> anyhow::Result<()> {
    let Some(app) = registrations::by_id(conn, registration).await? else {
        return Ok(());
    };
    let tenant = TenantOfApp {
        client_id: app.client_id,
        tenant_id: account.tenant_id.clone(),
    };
    if engine
        .throttling
        .note(&tenant, account.id, Instant::now().into_std())
    {
        let TenantOfApp { client_id, tenant_id } = tenant;
        let resting = accounts::rest_tenant(conn, &client_id, &tenant_id, wait).await?;
        tracing::warn!(
            client_id,
            tenant_id,
            resting,
            "Microsoft asks several mailboxes to slow down: all of their tenant rest"
        );
    }
    Ok(())
}

/// Lets a mailbox rest after a failed run, and stores the reason for its owner.
async fn rest(engine: &Engine, account: &Account, rest: Rest) -> anyhow::Result<Ended> {
    let mut conn = engine.store.get().await?;
    if rest.reason.is_some() {
        accounts::set_reason(&mut conn, account, rest.reason.as_ref()).await?;
    }
    if rest.ignores_wake_ups {
        accounts::rest(&mut conn, account.id, rest.wait).await?;
    }
    Ok(Ended {
        outcome: Outcome::Failed,
        next: after(rest.wait),
    })
}

/// Ends a run that failed because of the bridge itself; Postgres may be the cause.
async fn failed(engine: &Engine, id: i64) -> Ended {
    let rested = async {
        let account = {
            let mut conn = engine.store.get().await?;
            accounts::by_id(&mut conn, id).await?
        };
        rest(engine, &account, Rest::after_internal_error(&account)).await
    };
    rested.await.unwrap_or_else(|error| {
        tracing::warn!(error = format!("{error:#}"), "the failure was not noted");
        Ended {
            outcome: Outcome::Failed,
            next: after(backoff(0, TimeDelta::seconds(15), TimeDelta::seconds(15))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_polled_as_often_as_somebody_needs_it() {
        let settings = Settings::default();
        let present = now();
        let ago = |minutes: i64| Some(present - TimeDelta::minutes(minutes));
        let rest = |news_at, watched_until, hearing| {
            longest_rest(&settings, (news_at, watched_until), hearing, present).num_seconds()
        };
        assert_eq!(rest(ago(1), None, Hearing::Polled), 60, "just changed");
        assert_eq!(rest(ago(30), None, Hearing::Polled), 180, "more rarely");
        assert_eq!(
            rest(ago(9999), None, Hearing::Polled),
            300,
            "five minutes at most"
        );
        assert_eq!(rest(None, None, Hearing::Polled), 300, "never changed");
        let soon = Some(present + TimeDelta::minutes(1));
        assert_eq!(rest(None, soon, Hearing::Polled), 15, "somebody looks");
        assert_eq!(rest(None, ago(1), Hearing::Polled), 300, "nobody looks any more");
        assert_eq!(
            rest(ago(1), soon, Hearing::Notified),
            900,
            "changes are announced"
        );
        assert_eq!(rest(None, None, Hearing::Begun), 0, "read once more");
    }
}
