//! Processes descriptions before anything is locked for them. The results are remembered
//! (`calendar/body/memo.rs`), so that a transaction only compares known values.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::calendar::body;

/// How long the descriptions of one page may take, including the waits for a turn. The largest
/// description takes a few hundredths of a second.
const LONGEST: Duration = Duration::from_secs(10);
/// How many descriptions are processed at once. The processors are shared with all other work.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((processors / 2).max(1))
});

/// Processes the descriptions of each item; returns for each whether it was done in time. Only
/// items with large descriptions take turns, one item per turn. Ordinary items do not wait, and
/// pages of other databases can run between two of our turns.
pub(crate) async fn process_descriptions<T, D>(items: &[T], of: impl Fn(&T) -> D) -> Vec<bool>
where
    D: IntoIterator<Item = String>,
{
    process_within(LONGEST, items, |item| {
        let mut large = of(item)
            .into_iter()
            .filter(|html| body::is_large(html))
            .peekable();
        large.peek()?;
        let large: Vec<String> = large.collect();
        Some(move || large.iter().for_each(|html| body::prepare(html)))
    })
    .await
}

/// Does the work of each item that has any.
async fn process_within<T, W>(longest: Duration, items: &[T], work_of: impl Fn(&T) -> Option<W>) -> Vec<bool>
where
    W: FnOnce() + Send + 'static,
{
    let mut done: Vec<bool> = items.iter().map(|item| work_of(item).is_none()).collect();
    let all = async {
        let waiting = items.iter().zip(&mut done).filter(|(_, done)| !**done);
        for (item, done) in waiting {
            let Some(work) = work_of(item) else { continue };
            // The semaphore is never closed.
            let turn = TURNS.acquire().await.ok();
            // The turn lasts as long as the work, even if the caller stops waiting for it.
            let looking = spawn_blocking(move || {
                let _turn = turn;
                work();
            });
            match looking.await {
                Ok(()) => *done = true,
                Err(error) => tracing::error!(%error, "a description could not be looked at"),
            }
        }
    };
    if timeout(longest, all).await.is_err() {
        tracing::warn!("descriptions took too long to look at, or had to wait for others");
    }
    done
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_holds_nobody_up() {
        let work_of = |wait: &Option<u64>| wait.map(|wait| move || sleep(Duration::from_millis(wait)));
        let items = [Some(0), None, Some(600), Some(0), None];
        let soon = Duration::from_millis(200);
        assert_eq!(
            process_within(soon, &items, work_of).await,
            [true, true, false, false, true]
        );
        // Ordinary items do not wait for the large ones that are still in work.
        let no_time = Duration::ZERO;
        assert_eq!(
            process_within(no_time, &[None, Some(50), None], work_of).await,
            [true, false, true]
        );
        // Later callers get a turn again.
        let long = Duration::from_secs(20);
        assert_eq!(process_within(long, &items, work_of).await, [true; 5]);
    }
}
