//! Limits of calls without a known key, and with one. A caller whose key was valid is never delayed
//! by other callers from the same address.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Calls per second, and the burst, of one address with unknown keys; the same number again without
/// a key.
const CALLS_WITHOUT_KEY: (u32, u32) = (20, 40);
/// Calls per second, and the burst, of one database.
const CALLS_OF_DATABASE: (u32, u32) = (100, 1000);
/// KiB per second, and the burst, of one database's requests.
const KIBIBYTES_OF_DATABASE: (u32, u32) = (8 * 1024, 256 * 1024);
/// After so many different wrong keys or codes, an address is refused for a while, which doubles
/// each time. The same wrong key again is not a guess: it comes from an Odoo whose key was revoked.
const WRONG_KEYS_BEFORE_LOCK: u32 = 10;
const REMEMBERED_KEYS: usize = 32;
const FIRST_LOCK: Duration = Duration::from_secs(8);
const LONGEST_LOCK: Duration = Duration::from_secs(15 * 60);
/// The most requests without a known key that are read at once: in total, and from one address.
const READS_AT_ONCE: usize = 256;
const READS_AT_ONCE_PER_ADDRESS: usize = 64;
/// How many addresses are remembered.
const REMEMBERED_ADDRESSES: usize = 10_000;
/// How often, at most, the valid keys are read again and outdated entries are forgotten.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// The hash of a key.
pub type KeyHash = Vec<u8>;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitReached {
    /// Refused for so many seconds.
    For(u64),
    /// Refused while so many others from this address are in progress.
    TooManyReads,
}

struct FailingAddress {
    /// Hashes of the latest wrong keys.
    keys: VecDeque<KeyHash>,
    times: u32,
    last: Instant,
    until: Instant,
    /// How many calls were refused, by the status of the answer.
    refusals: BTreeMap<u16, u64>,
}

impl FailingAddress {
    fn new(now: Instant) -> Self {
        Self {
            keys: VecDeque::new(),
            times: 0,
            last: now,
            until: now,
            refusals: BTreeMap::new(),
        }
    }
}

/// Permits something once in a while.
struct Interval(Mutex<Option<Instant>>);

impl Interval {
    fn is_due(&self, now: Instant) -> bool {
        let mut last = lock_even_if_poisoned(&self.0);
        let due = last.is_none_or(|last| now - last >= REFRESH_INTERVAL);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// The counts. One instance per process.
pub struct Limits {
    calls_without_key: DefaultKeyedRateLimiter<(IpAddr, bool)>,
    calls: DefaultKeyedRateLimiter<KeyHash>,
    kibibytes: DefaultKeyedRateLimiter<KeyHash>,
    known: RwLock<HashSet<KeyHash>>,
    key_refresh: Interval,
    cleanup: Interval,
    failing: Mutex<HashMap<IpAddr, FailingAddress>>,
    reading: Arc<Mutex<HashMap<IpAddr, usize>>>,
    read_at_once: Arc<AtomicUsize>,
}

fn limiter<K: std::hash::Hash + Eq + Clone>(
    (each_second, at_once): (u32, u32),
) -> DefaultKeyedRateLimiter<K> {
    let each_second = NonZeroU32::new(each_second).unwrap_or(NonZeroU32::MIN);
    let at_once = NonZeroU32::new(at_once).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_second(each_second).allow_burst(at_once))
}

/// Locks a mutex. If a holder panicked, its counts are still usable.
fn lock_even_if_poisoned<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limits {
    pub fn new() -> Self {
        Self {
            calls_without_key: limiter(CALLS_WITHOUT_KEY),
            calls: limiter(CALLS_OF_DATABASE),
            kibibytes: limiter(KIBIBYTES_OF_DATABASE),
            known: RwLock::default(),
            key_refresh: Interval(Mutex::new(None)),
            cleanup: Interval(Mutex::new(None)),
            failing: Mutex::new(HashMap::new()),
            reading: Arc::new(Mutex::new(HashMap::new())),
            read_at_once: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Returns whether a key was valid at its last use. It is checked again all the same.
    pub fn is_known(&self, key: &[u8]) -> bool {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(key)
    }

    /// Returns whether the valid keys should be read again, as another process may have made one.
    pub fn is_key_refresh_due(&self) -> bool {
        self.key_refresh.is_due(Instant::now())
    }

    /// Replaces the valid keys.
    pub fn replace_known_keys(&self, keys: Vec<KeyHash>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }

    /// Adds a valid key.
    pub fn add_known_key(&self, key: KeyHash) {
        if !self.is_known(&key) {
            self.known
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key);
        }
    }

    /// Forgets a key that is not valid any more.
    pub fn forget_known_key(&self, key: &[u8]) {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|known| known.as_slice() != key);
    }

    /// Checks whether a caller without a known key may call at all.
    ///
    /// # Errors
    /// For how long it may not.
    pub fn check_without_key(&self, from: IpAddr, has_key: bool) -> Result<(), LimitReached> {
        let now = Instant::now();
        if let Some(failing) = lock_even_if_poisoned(&self.failing).get(&from)
            && let Some(left) = failing.until.checked_duration_since(now)
            && !left.is_zero()
        {
            return Err(LimitReached::For(left.as_secs() + 1));
        }
        if self.calls_without_key.len() > REMEMBERED_ADDRESSES && self.cleanup.is_due(now) {
            self.calls_without_key.retain_recent();
        }
        self.calls_without_key
            .check_key(&(from, has_key))
            .map_err(|_| LimitReached::For(1))
    }

    /// Takes one of the permits for requests that are read before a key is known. It is given back
    /// when it is dropped.
    ///
    /// # Errors
    /// When no place is free.
    pub fn start_reading(&self, from: IpAddr) -> Result<ReadPermit, LimitReached> {
        let mut reading = lock_even_if_poisoned(&self.reading);
        let of_address = reading.get(&from).copied().unwrap_or_default();
        if of_address >= READS_AT_ONCE_PER_ADDRESS
            || self.read_at_once.load(Ordering::Relaxed) >= READS_AT_ONCE
        {
            return Err(LimitReached::TooManyReads);
        }
        reading.insert(from, of_address + 1);
        self.read_at_once.fetch_add(1, Ordering::Relaxed);
        Ok(ReadPermit {
            from,
            reading: Arc::clone(&self.reading),
            read_at_once: Arc::clone(&self.read_at_once),
        })
    }

    /// Checks whether a database may call now, with a body of so many bytes.
    ///
    /// # Errors
    /// For how long it may not.
    pub fn check_with_key(&self, key: &KeyHash, bytes: u64) -> Result<(), LimitReached> {
        self.calls.check_key(key).map_err(|_| LimitReached::For(1))?;
        let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        if let Some(kibibytes) = NonZeroU32::new(kibibytes) {
            match self.kibibytes.check_key_n(key, kibibytes) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(LimitReached::For(10)),
                Err(_) => return Err(LimitReached::For(60)),
            }
        }
        Ok(())
    }

    /// Counts a wrong key or code; returns whether it differs from the latest ones.
    pub fn add_wrong_key(&self, from: IpAddr, key: &[u8]) -> bool {
        self.known
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
        let now = Instant::now();
        self.with_failing(from, now, |failing| {
            if failing.keys.iter().any(|wrong| wrong == key) {
                return false;
            }
            failing.keys.truncate(REMEMBERED_KEYS - 1);
            failing.keys.push_front(key.to_vec());
            failing.times += 1;
            if let Some(over) = failing.times.checked_sub(WRONG_KEYS_BEFORE_LOCK) {
                failing.until = now + (FIRST_LOCK * (1 << over.min(10))).min(LONGEST_LOCK);
            }
            true
        })
        .unwrap_or_default()
    }

    /// Counts a call that was refused with a status. Returns the count if it is to be logged: at
    /// the first one, and then at every power of two.
    pub fn count_refusal(&self, from: IpAddr, status: u16) -> Option<u64> {
        self.with_failing(from, Instant::now(), |failing| {
            let times = failing.refusals.entry(status).or_default();
            *times += 1;
            times.is_power_of_two().then_some(*times)
        })?
    }

    /// Changes the entry of an address; returns `None` if too many addresses are remembered.
    fn with_failing<T>(
        &self,
        from: IpAddr,
        now: Instant,
        change: impl FnOnce(&mut FailingAddress) -> T,
    ) -> Option<T> {
        let mut all = lock_even_if_poisoned(&self.failing);
        if all.len() >= REMEMBERED_ADDRESSES && !all.contains_key(&from) {
            if !self.cleanup.is_due(now) {
                return None;
            }
            all.retain(|_, failing| {
                now - failing.last < LONGEST_LOCK && failing.times >= WRONG_KEYS_BEFORE_LOCK
            });
            if all.len() >= REMEMBERED_ADDRESSES {
                return None;
            }
        }
        let failing = all.entry(from).or_insert_with(|| FailingAddress::new(now));
        if now - failing.last > LONGEST_LOCK {
            *failing = FailingAddress::new(now);
        }
        failing.last = now;
        Some(change(failing))
    }
}

/// A request that is read before a key is known.
pub struct ReadPermit {
    from: IpAddr,
    reading: Arc<Mutex<HashMap<IpAddr, usize>>>,
    read_at_once: Arc<AtomicUsize>,
}

impl Drop for ReadPermit {
    fn drop(&mut self) {
        self.read_at_once.fetch_sub(1, Ordering::Relaxed);
        let mut reading = lock_even_if_poisoned(&self.reading);
        if let Some(count) = reading.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                reading.remove(&self.from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn wrong_keys_lock_their_address_and_no_other() {
        let limits = Limits::new();
        limits.add_known_key(vec![1]);
        for _ in 0..100 {
            limits.add_wrong_key(ONE, b"the same");
        }
        for n in 1..WRONG_KEYS_BEFORE_LOCK {
            assert_eq!(limits.check_without_key(ONE, true), Ok(()));
            assert!(limits.add_wrong_key(ONE, &n.to_be_bytes()));
        }
        assert!(matches!(
            limits.check_without_key(ONE, true),
            Err(LimitReached::For(_))
        ));
        assert!(
            matches!(limits.check_without_key(ONE, false), Err(LimitReached::For(_))),
            "nor without one"
        );
        assert_eq!(limits.check_without_key(OTHER, true), Ok(()));
        assert!(
            limits.is_known(&[1]),
            "who has a good key is not asked where from"
        );
        for n in 0..3 {
            limits.add_wrong_key(ONE, &[n, 7]);
        }
        assert!(
            matches!(
                limits.check_without_key(ONE, true),
                Err(LimitReached::For(60..=65))
            ),
            "longer each time"
        );
        limits.add_wrong_key(ONE, &[1]);
        assert!(!limits.is_known(&[1]), "it is good no more");
    }

    #[test]
    fn what_is_turned_away_for_one_reason_hides_no_other() {
        let limits = Limits::new();
        let told: Vec<_> = (0..5).map(|_| limits.count_refusal(ONE, 401)).collect();
        assert_eq!(told, [Some(1), Some(2), None, Some(4), None]);
        assert_eq!(limits.count_refusal(ONE, 413), Some(1));
    }

    #[test]
    fn strangers_are_limited_and_callers_by_their_key() {
        let limits = Limits::new();
        let came = (0..1000)
            .filter(|_| limits.check_without_key(ONE, true).is_ok())
            .count();
        assert!((40..60).contains(&came), "{came}");
        assert_eq!(
            limits.check_without_key(ONE, false),
            Ok(()),
            "who pairs it is let in"
        );
        assert_eq!(limits.check_without_key(OTHER, true), Ok(()));
        let key = vec![1];
        let came = (0..5000)
            .filter(|_| limits.check_with_key(&key, 0).is_ok())
            .count();
        assert!((1000..1500).contains(&came), "{came}");
        assert_eq!(limits.check_with_key(&vec![2], 200 << 20), Ok(()));
        assert!(
            limits.check_with_key(&vec![2], 200 << 20).is_err(),
            "the bytes are counted"
        );
        assert!(limits.check_with_key(&vec![3], 1 << 40).is_err());
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits::new();
        let permits: Vec<_> = (0..100).filter_map(|_| limits.start_reading(ONE).ok()).collect();
        assert_eq!(permits.len(), READS_AT_ONCE_PER_ADDRESS);
        assert!(limits.start_reading(OTHER).is_ok());
        drop(permits);
        assert!(limits.start_reading(ONE).is_ok());
        assert_eq!(limits.read_at_once.load(Ordering::Relaxed), 0);
        assert!(lock_even_if_poisoned(&limits.reading).is_empty());
    }

    #[test]
    fn the_memory_of_addresses_has_an_end() {
        let limits = Limits::new();
        for n in 0..30_000u32 {
            let from = IpAddr::V4(n.into());
            let _ = limits.check_without_key(from, true);
            limits.add_wrong_key(from, b"wrong");
        }
        assert!(lock_even_if_poisoned(&limits.failing).len() <= REMEMBERED_ADDRESSES);
    }
}
