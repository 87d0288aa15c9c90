//! Who works which mailbox when. Each mailbox is worked by one worker at a time, in whichever process: a lease in
//! Postgres says so.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::accounts::{TokenError, fresh_token};
use super::planner::Effects;
use super::pull::{PullError, pull};
use super::push::{PushError, push, rest_after};
use super::{Engine, brake, moving, now, reset};
use crate::outlook::GraphError;
use crate::store::accounts::{self, Account, Outcome, existing};
use crate::store::{databases, journal, outbox};

/// How often due mailboxes are looked for when nobody says that there is one (another process may have).
const LOOK_AROUND: Duration = Duration::from_secs(1);
/// How often a run renews its lease: a few times before it would run out.
const HEARTBEAT: Duration = Duration::from_secs(5);
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 3600);

/// Works mailboxes until told to stop; then lets the runs under way end.
pub async fn work(engine: Engine, stop: CancellationToken) {
    let mut runs = JoinSet::new();
    let mut pruned: Option<tokio::time::Instant> = None;
    loop {
        if pruned.is_none_or(|at| at.elapsed() > PRUNE_EVERY) {
            pruned = Some(tokio::time::Instant::now());
            prune(&engine).await;
        }
        match claim(&engine, engine.settings.workers.saturating_sub(runs.len())).await {
            Ok(ids) => {
                for id in ids {
                    let engine = engine.clone();
                    runs.spawn(async move { run(&engine, id).await });
                }
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "cannot look for work");
                tokio::time::sleep(LOOK_AROUND).await;
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = engine.work.notified() => {}
            Some(_) = runs.join_next(), if !runs.is_empty() => {}
            () = tokio::time::sleep(LOOK_AROUND) => {}
        }
    }
    while runs.join_next().await.is_some() {}
}

async fn claim(engine: &Engine, free: usize) -> anyhow::Result<Vec<i64>> {
    let Ok(limit @ 1..) = i64::try_from(free) else {
        return Ok(Vec::new());
    };
    let mut conn = engine.store.get().await?;
    Ok(accounts::claim_due(&mut conn, engine.process, now(), limit).await?)
}

async fn prune(engine: &Engine) {
    let pruned = async {
        let mut conn = engine.store.get().await?;
        let life = TimeDelta::days(engine.settings.journal_days);
        anyhow::Ok(journal::prune(&mut conn, now() - life).await?)
    };
    if let Err(error) = pruned.await {
        tracing::warn!(error = format!("{error:#}"), "the journal was not pruned");
    }
}

/// One run of one mailbox whose lease we hold.
#[tracing::instrument(skip_all, fields(account.id = id))]
pub async fn run(engine: &Engine, id: i64) {
    let started = now();
    let worked = tokio::select! {
        worked = work_mailbox(engine, id) => worked,
        () = lose_lease(engine, id) => Err(anyhow::anyhow!("the lease on the mailbox was lost")),
    };
    let ended = match worked {
        Ok(ended) => ended,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "a run failed");
            Ended {
                outcome: Outcome::Failed,
                next_run_at: now() + TimeDelta::seconds(15),
            }
        }
    };
    let released = async {
        let mut conn = engine.store.get().await?;
        accounts::release(
            &mut conn,
            id,
            engine.process,
            started,
            ended.next_run_at,
            ended.outcome,
        )
        .await?;
        anyhow::Ok(())
    };
    if let Err(error) = released.await {
        tracing::error!(
            error = format!("{error:#}"),
            "the mailbox was not given back; its lease will run out"
        );
    }
    metrics::counter!("outlook_bridge_runs_total", "ok" => (ended.outcome != Outcome::Failed).to_string())
        .increment(1);
    // Nobody may be waiting.
    let _receivers = engine.runs.send(id);
    engine.work.notify_one();
}

/// Renews the lease as long as it can be; returns when it is lost.
async fn lose_lease(engine: &Engine, id: i64) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let renewed = async {
            let mut conn = engine.store.get().await?;
            anyhow::Ok(accounts::renew_lease(&mut conn, id, engine.process, now()).await?)
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(
                account.id = id,
                error = format!("{error:#}"),
                "the lease was not renewed"
            ),
        }
    }
}

struct Ended {
    outcome: Outcome,
    next_run_at: DateTime<Utc>,
}

async fn work_mailbox(engine: &Engine, id: i64) -> anyhow::Result<Ended> {
    let (account, database) = {
        let mut conn = engine.store.get().await?;
        let account = accounts::by_id(&mut conn, id).await?;
        let database = databases::by_id(&mut conn, account.database_id).await?;
        (account, database)
    };
    let later = |delay: TimeDelta| {
        Ok(Ended {
            outcome: Outcome::Failed,
            next_run_at: now() + delay,
        })
    };
    let token = match fresh_token(engine, &account, &database).await {
        Ok(token) => token,
        Err(TokenError::NeedsLogin) => return later(TimeDelta::hours(1)),
        Err(TokenError::Admin) => return later(TimeDelta::minutes(5)),
        Err(TokenError::Later) => return later(TimeDelta::seconds(15)),
        Err(TokenError::Internal(error)) => return Err(error),
    };
    let mut effects = Effects::default();
    let mut removals = false;
    let result = async {
        // What people did in Odoo first: then the delta shows both sides' present.
        push(engine, &account, &token, &mut effects).await?;
        if !account.resetting {
            // While an admin is asked about removals, nothing more is fetched.
            if !account.is_braked() {
                moving::translate(engine, &account, &token).await?;
                let account = reload(engine, &account).await?;
                pull(engine, &account, &token, &mut effects).await?;
                if account.existing == existing::TOLD {
                    moving::look_up(engine, &account, &token, &mut effects).await?;
                }
                push(engine, &account, &token, &mut effects).await?;
            }
            removals = brake::check(engine, &account).await?;
        }
        Ok::<_, Trouble>(())
    }
    .await;
    let others: Vec<i64> = effects
        .wake_accounts
        .iter()
        .copied()
        .filter(|other| *other != id)
        .collect();
    if !others.is_empty() {
        let mut conn = engine.store.get().await?;
        accounts::wake(&mut conn, others, now()).await?;
    }
    // What a run stored before it failed is news, too.
    let news = removals
        || !effects.poke_users.is_empty()
        || (result.is_err() && engine.owes_odoo(account.database_id).await?);
    if news {
        engine.poke(account.database_id, effects.poke_users);
    }
    match result {
        Ok(()) => finish(engine, &account).await,
        Err(Trouble::Deferred) => later(TimeDelta::seconds(1)),
        Err(Trouble::Graph(error)) => trouble(engine, &account, error).await,
        Err(Trouble::Internal(error)) => Err(error),
    }
}

async fn reload(engine: &Engine, account: &Account) -> anyhow::Result<Account> {
    let mut conn = engine.store.get().await?;
    Ok(accounts::by_id(&mut conn, account.id).await?)
}

enum Trouble {
    Deferred,
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
            PullError::Deferred => Self::Deferred,
            PullError::Internal(error) => Self::Internal(error),
        }
    }
}

async fn finish(engine: &Engine, account: &Account) -> anyhow::Result<Ended> {
    let mut conn = engine.store.get().await?;
    if account.reason.is_some() {
        accounts::set_reason(&mut conn, account.id, None).await?;
    }
    if account.resetting {
        reset::finish(&mut conn, account).await?;
    }
    let rest = now() + engine.settings.poll_interval;
    let holds = accounts::by_id(&mut conn, account.id).await?.holds_mails();
    let owed = outbox::next_outlook_at(&mut conn, account.id, holds).await?;
    let next_run_at = owed.map_or(rest, |at| at.min(rest));
    Ok(Ended {
        outcome: Outcome::Done { at: now() },
        next_run_at,
    })
}

async fn trouble(engine: &Engine, account: &Account, error: GraphError) -> anyhow::Result<Ended> {
    tracing::warn!(%error, "the mailbox must wait");
    let mut conn = engine.store.get().await?;
    let rest = match &error {
        // The token was taken back before its time: the next run renews it.
        GraphError::Unauthorized => {
            accounts::expire_access(&mut conn, account.id).await?;
            if account.failures > 2 {
                TimeDelta::minutes(5)
            } else {
                TimeDelta::zero()
            }
        }
        GraphError::MailboxMissing => {
            let reason = "This Microsoft account has no Outlook mailbox, or its licence was removed.";
            accounts::set_reason(&mut conn, account.id, Some(reason)).await?;
            TimeDelta::hours(1)
        }
        other => rest_after(other, account.failures),
    };
    if matches!(error, GraphError::Throttled { .. }) {
        accounts::rest(&mut conn, account.id, now() + rest).await?;
    }
    Ok(Ended {
        outcome: Outcome::Failed,
        next_run_at: now() + rest,
    })
}
