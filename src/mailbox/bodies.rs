//! Descriptions are looked at before anything is locked for them, and where nothing else waits: what is found out is remembered
//! (`calendar/body/memo.rs`), so that a transaction compares what is known.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::calendar::body;

/// How long the descriptions of one page may take, with the waits for a turn. The largest takes a few hundredths of a second.
const LONGEST: Duration = Duration::from_secs(10);
/// So many are looked at at once: the processors are for everybody.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((processors / 2).max(1))
});

/// Looks at the descriptions of each of some items; returns for each whether it was done in time. Only items with large ones take
/// turns, one item at a turn: ordinary ones wait for nobody, and the pages of others come between two of ours.
pub(crate) async fn look_at<T, D>(items: &[T], of: impl Fn(&T) -> D) -> Vec<bool>
where
    D: IntoIterator<Item = String>,
{
    look_within(LONGEST, items, |item| {
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

/// Does the work of each item that has some.
async fn look_within<T, W>(longest: Duration, items: &[T], work_of: impl Fn(&T) -> Option<W>) -> Vec<bool>
where
    W: FnOnce() + Send + 'static,
{
    let mut done: Vec<bool> = items.iter().map(|item| work_of(item).is_none()).collect();
    let all = async {
        let waiting = items.iter().zip(&mut done).filter(|(_, done)| !**done);
        for (item, done) in waiting {
            let Some(work) = work_of(item) else { continue };
            // Nobody closes it.
            let turn = TURNS.acquire().await.ok();
            // Who gives up waiting gives up no turn: it lasts as long as the work.
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
            look_within(soon, &items, work_of).await,
            [true, true, false, false, true]
        );
        // What is ordinary waits for none of the large ones that are still looked at.
        let no_time = Duration::ZERO;
        assert_eq!(
            look_within(no_time, &[None, Some(50), None], work_of).await,
            [true, false, true]
        );
        // Whoever comes then has a turn again.
        let long = Duration::from_secs(20);
        assert_eq!(look_within(long, &items, work_of).await, [true; 5]);
    }
}
