//! Keeps a mailbox's lease while work is done under it, and stops the work before another run can
//! get the lease.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;
use crate::store::leases::{self, LEASE, Lease};

/// How often a lease is renewed: several times before it would expire.
const HEARTBEAT: Duration = Duration::from_secs(4);
/// How long before anybody may free the lease the holder stops.
const MARGIN: Duration = Duration::from_secs(4);

/// The result of work under a lease.
#[derive(Debug)]
pub enum Ended<T> {
    Done(T),
    /// The lease could not be renewed in time, or belongs to another run. The work was dropped at
    /// its next `await`.
    Lost,
    Panicked,
}

/// Does work under a lease that was taken at `taken` or later.
///
/// The renewals have a task and connections of their own, so that neither the work nor other work
/// prevents them. The work does not continue once the lease may be freed, however long the process
/// or the machine stood still.
pub async fn under<T>(
    engine: &Engine,
    lease: Lease,
    taken: Instant,
    work: impl Future<Output = T>,
) -> Ended<T> {
    let (renewed, good_until) = watch::channel(taken + LEASE - MARGIN);
    let _heart = AbortOnDropHandle::new(tokio::spawn(renew(engine.clone(), lease, renewed)));
    let begun = Clocks::now();
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let checked = poll_fn(|context| {
        // Checked before each step, so that a process that was stopped in between takes no further
        // step.
        if Instant::now() >= *good_until.borrow() || begun.stood_still() >= MARGIN {
            return Poll::Ready(Ended::Lost);
        }
        work.as_mut().poll(context).map(|done| match done {
            Ok(value) => Ended::Done(value),
            Err(_) => Ended::Panicked,
        })
    });
    tokio::select! {
        biased;
        () = lost(good_until.clone()) => Ended::Lost,
        ended = checked => ended,
    }
}

/// Two clocks. The monotonic clock does not count the time for which the machine was suspended. The
/// wall clock does. It may also be stepped, which ends a run without need and is harmless.
struct Clocks {
    steady: std::time::Instant,
    wall: SystemTime,
}

impl Clocks {
    fn now() -> Self {
        Self {
            steady: std::time::Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// Returns the time that the monotonic clock has not counted.
    fn stood_still(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        wall.saturating_sub(self.steady.elapsed())
    }
}

/// Returns when the lease is no longer valid.
async fn lost(mut good_until: watch::Receiver<Instant>) {
    loop {
        let until = *good_until.borrow_and_update();
        if Instant::now() >= until {
            return;
        }
        tokio::select! {
            () = sleep_until(until) => {}
            // Nobody renews it any more, so it is valid until then.
            changed = good_until.changed() => if changed.is_err() {
                sleep_until(until).await;
            },
        }
    }
}

async fn renew(engine: Engine, lease: Lease, renewed: watch::Sender<Instant>) {
    loop {
        sleep(HEARTBEAT).await;
        // The lease is valid from before the request: others see the new count later than this.
        let asked = Instant::now();
        let renewal = async {
            let mut conn = engine.store.reserved().await?;
            anyhow::Ok(leases::renew(&mut conn, lease).await?)
        };
        match timeout(HEARTBEAT, renewal).await {
            Ok(Ok(true)) => {
                renewed.send_replace(asked + LEASE - MARGIN);
            }
            Ok(Ok(false)) => {
                renewed.send_replace(asked);
                return;
            }
            Ok(Err(error)) => tracing::warn!(
                account.id = lease.account_id,
                error = format!("{error:#}"),
                "the lease was not renewed"
            ),
            Err(_) => tracing::warn!(account.id = lease.account_id, "the lease was not renewed in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspended_machine_is_noticed() {
        let begun = Clocks::now();
        assert!(begun.stood_still() < MARGIN);
        let suspended = Clocks {
            wall: begun.wall - LEASE,
            ..begun
        };
        assert!(suspended.stood_still() >= MARGIN);
        let set_back = Clocks {
            wall: suspended.wall + LEASE * 2,
            ..suspended
        };
        assert_eq!(set_back.stood_still(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_lost_when_it_is_renewed_no_more() {
        let start = Instant::now();
        let (renewed, good_until) = watch::channel(start + Duration::from_secs(5));
        let lost = tokio::spawn(lost(good_until));
        sleep(Duration::from_secs(4)).await;
        renewed.send_replace(start + Duration::from_secs(9));
        sleep(Duration::from_secs(4)).await;
        assert!(!lost.is_finished());
        drop(renewed);
        lost.await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 9);
    }
}
