//! Descriptions are looked at before anything is locked for them, and where nothing else waits: what is found out is remembered
//! (`calendar/body/memo.rs`), so that a transaction compares what is known.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::calendar::body;

/// How long the descriptions of one page may take, with the wait for a turn. The largest takes a few hundredths of a second.
const LONGEST: Duration = Duration::from_secs(10);
/// So many are looked at at once: the processors are for everybody.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((processors / 2).max(1))
});

/// Looks at the descriptions of each of some items, one item after the other; returns how many of them were done in time.
pub(super) async fn look_at<T, D>(items: &Arc<Vec<T>>, of: impl Fn(&T) -> D + Send + 'static) -> usize
where
    T: Send + Sync + 'static,
    D: IntoIterator<Item = String>,
{
    look_within(LONGEST, items, of).await
}

async fn look_within<T, D>(
    longest: Duration,
    items: &Arc<Vec<T>>,
    of: impl Fn(&T) -> D + Send + 'static,
) -> usize
where
    T: Send + Sync + 'static,
    D: IntoIterator<Item = String>,
{
    if items.is_empty() {
        return 0;
    }
    let done = Arc::new(AtomicUsize::new(0));
    let work = async {
        // Nobody closes it.
        let turn = TURNS.acquire().await.ok();
        let (items, is_done) = (Arc::clone(items), Arc::clone(&done));
        let looking = spawn_blocking(move || {
            let _turn = turn;
            for item in items.iter() {
                of(item).into_iter().for_each(|html| body::prepare(&html));
                is_done.fetch_add(1, Ordering::Relaxed);
                // Nobody waits any more.
                if Arc::strong_count(&is_done) == 1 {
                    return;
                }
            }
        });
        if let Err(error) = looking.await {
            tracing::error!(%error, "a description could not be looked at");
        }
    };
    if timeout(longest, work).await.is_err() {
        tracing::warn!("descriptions took too long to look at, or had to wait for others");
    }
    done.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_holds_nobody_up() {
        let items = Arc::new(vec![0, 0, 300, 0]);
        let of = |wait: &u64| {
            sleep(Duration::from_millis(*wait));
            [String::new()]
        };
        assert_eq!(look_within(Duration::from_millis(100), &items, of).await, 2);
        // Whoever comes then has a turn again.
        assert_eq!(look_within(Duration::from_secs(20), &items, of).await, 4);
    }
}
