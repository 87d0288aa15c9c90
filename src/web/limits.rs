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
const STRANGERS: (u32, u32) = (20, 40);
/// Calls per second, and the burst, of one database.
const CALLS: (u32, u32) = (100, 1000);
/// KiB per second, and the burst, of one database's requests.
const KIBIBYTES: (u32, u32) = (8 * 1024, 256 * 1024);
/// After so many different wrong keys or codes, an address is refused for a while, which doubles
/// each time. The same wrong key again is not a guess: it comes from an Odoo whose key was revoked.
const WRONG_KEYS: u32 = 10;
const REMEMBERED_KEYS: usize = 32;
const FIRST_LOCK: Duration = Duration::from_secs(8);
const LONGEST_LOCK: Duration = Duration::from_secs(15 * 60);
/// The most requests without a known key that are read at once: in total, and from one address.
const READ_AT_ONCE: usize = 256;
const READ_AT_ONCE_OF_ONE: usize = 64;
/// How many addresses are remembered.
const LARGEST_MEMORY: usize = 10_000;
/// How often, at most, the valid keys are read again and outdated entries are forgotten.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The hash of a key.
pub type KeyHash = Vec<u8>;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Refused for so many seconds.
    For(u64),
    /// Refused while so many others from this address are in progress.
    Crowded,
}

struct Failing {
    /// Hashes of the latest wrong keys.
    keys: VecDeque<KeyHash>,
    times: u32,
    last: Instant,
    until: Instant,
    /// How many calls were refused, by the status of the answer.
    away: BTreeMap<u16, u64>,
}

impl Failing {
    fn new(now: Instant) -> Self {
        Self {
            keys: VecDeque::new(),
            times: 0,
            last: now,
            until: now,
            away: BTreeMap::new(),
        }
    }
}

/// Permits something once in a while.
struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    fn is_due(&self, now: Instant) -> bool {
        let mut last = held(&self.0);
        let due = last.is_none_or(|last| now - last >= LOOK_AGAIN);
        if due {
            *last = Some(now);
        }
        due
    }
}

/// The counts. One instance per process.
pub struct Limits {
    strangers: DefaultKeyedRateLimiter<(IpAddr, bool)>,
    calls: DefaultKeyedRateLimiter<KeyHash>,
    kibibytes: DefaultKeyedRateLimiter<KeyHash>,
    known: RwLock<HashSet<KeyHash>>,
    looked_up: Seldom,
    tidied: Seldom,
    failing: Mutex<HashMap<IpAddr, Failing>>,
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
fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Limits {
    pub fn new() -> Self {
        Self {
            strangers: limiter(STRANGERS),
            calls: limiter(CALLS),
            kibibytes: limiter(KIBIBYTES),
            known: RwLock::default(),
            looked_up: Seldom(Mutex::new(None)),
            tidied: Seldom(Mutex::new(None)),
            failing: Mutex::new(HashMap::new()),
            reading: Arc::new(Mutex::new(HashMap::new())),
            read_at_once: Arc::new(AtomicUsize::new(0)),
        }
    }

    /// Returns whether a key was valid at its last use. It is checked again all the same.
    pub fn knows(&self, key: &[u8]) -> bool {
        self.known
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(key)
    }

    /// Returns whether the valid keys should be read again, as another process may have made one.
    pub fn is_look_due(&self) -> bool {
        self.looked_up.is_due(Instant::now())
    }

    /// Replaces the valid keys.
    pub fn learn_all(&self, keys: Vec<KeyHash>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys.into_iter().collect();
    }

    /// Adds a valid key.
    pub fn learn(&self, key: KeyHash) {
        if !self.knows(&key) {
            self.known
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key);
        }
    }

    /// Checks whether a caller without a known key may call at all.
    ///
    /// # Errors
    /// For how long it may not.
    pub fn stranger(&self, from: IpAddr, has_key: bool) -> Result<(), Held> {
        let now = Instant::now();
        if let Some(failing) = held(&self.failing).get(&from)
            && let Some(left) = failing.until.checked_duration_since(now)
            && !left.is_zero()
        {
            return Err(Held::For(left.as_secs() + 1));
        }
        if self.strangers.len() > LARGEST_MEMORY && self.tidied.is_due(now) {
            self.strangers.retain_recent();
        }
        self.strangers
            .check_key(&(from, has_key))
            .map_err(|_| Held::For(1))
    }

    /// Takes one of the places for requests that are read before a key is known. It is given back
    /// when it is dropped.
    ///
    /// # Errors
    /// When no place is free.
    pub fn read(&self, from: IpAddr) -> Result<Place, Held> {
        let mut reading = held(&self.reading);
        let of_one = reading.get(&from).copied().unwrap_or_default();
        if of_one >= READ_AT_ONCE_OF_ONE || self.read_at_once.load(Ordering::Relaxed) >= READ_AT_ONCE {
            return Err(Held::Crowded);
        }
        reading.insert(from, of_one + 1);
        self.read_at_once.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            from,
            reading: Arc::clone(&self.reading),
            read_at_once: Arc::clone(&self.read_at_once),
        })
    }

    /// Checks whether a database may call now, with a body of so many bytes.
    ///
    /// # Errors
    /// For how long it may not.
    pub fn caller(&self, key: &KeyHash, bytes: u64) -> Result<(), Held> {
        self.calls.check_key(key).map_err(|_| Held::For(1))?;
        let kibibytes = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
        if let Some(kibibytes) = NonZeroU32::new(kibibytes) {
            match self.kibibytes.check_key_n(key, kibibytes) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(Held::For(10)),
                Err(_) => return Err(Held::For(60)),
            }
        }
        Ok(())
    }

    /// Counts a wrong key or code; returns whether it differs from the latest ones.
    pub fn wrong(&self, from: IpAddr, key: &[u8]) -> bool {
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
            if let Some(over) = failing.times.checked_sub(WRONG_KEYS) {
                failing.until = now + (FIRST_LOCK * (1 << over.min(10))).min(LONGEST_LOCK);
            }
            true
        })
        .unwrap_or_default()
    }

    /// Counts a call that was refused with a status. Returns the count if it is to be logged: at
    /// the first one, and then at every power of two.
    pub fn turned_away(&self, from: IpAddr, status: u16) -> Option<u64> {
        self.with_failing(from, Instant::now(), |failing| {
            let times = failing.away.entry(status).or_default();
            *times += 1;
            times.is_power_of_two().then_some(*times)
        })?
    }

    /// Changes the entry of an address; returns `None` if too many addresses are remembered.
    fn with_failing<T>(
        &self,
        from: IpAddr,
        now: Instant,
        change: impl FnOnce(&mut Failing) -> T,
    ) -> Option<T> {
        let mut all = held(&self.failing);
        if all.len() >= LARGEST_MEMORY && !all.contains_key(&from) {
            if !self.tidied.is_due(now) {
                return None;
            }
            all.retain(|_, failing| now - failing.last < LONGEST_LOCK && failing.times >= WRONG_KEYS);
            if all.len() >= LARGEST_MEMORY {
                return None;
            }
        }
        let failing = all.entry(from).or_insert_with(|| Failing::new(now));
        if now - failing.last > LONGEST_LOCK {
            *failing = Failing::new(now);
        }
        failing.last = now;
        Some(change(failing))
    }
}

/// A request that is read before a key is known.
pub struct Place {
    from: IpAddr,
    reading: Arc<Mutex<HashMap<IpAddr, usize>>>,
    read_at_once: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.read_at_once.fetch_sub(1, Ordering::Relaxed);
        let mut reading = held(&self.reading);
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
        limits.learn(vec![1]);
        for _ in 0..100 {
            limits.wrong(ONE, b"the same");
        }
        for n in 1..WRONG_KEYS {
            assert_eq!(limits.stranger(ONE, true), Ok(()));
            assert!(limits.wrong(ONE, &n.to_be_bytes()));
        }
        assert!(matches!(limits.stranger(ONE, true), Err(Held::For(_))));
        assert!(
            matches!(limits.stranger(ONE, false), Err(Held::For(_))),
            "nor without one"
        );
        assert_eq!(limits.stranger(OTHER, true), Ok(()));
        assert!(limits.knows(&[1]), "who has a good key is not asked where from");
        for n in 0..3 {
            limits.wrong(ONE, &[n, 7]);
        }
        assert!(
            matches!(limits.stranger(ONE, true), Err(Held::For(60..=65))),
            "longer each time"
        );
        limits.wrong(ONE, &[1]);
        assert!(!limits.knows(&[1]), "it is good no more");
    }

    #[test]
    fn what_is_turned_away_for_one_reason_hides_no_other() {
        let limits = Limits::new();
        let told: Vec<_> = (0..5).map(|_| limits.turned_away(ONE, 401)).collect();
        assert_eq!(told, [Some(1), Some(2), None, Some(4), None]);
        assert_eq!(limits.turned_away(ONE, 413), Some(1));
    }

    #[test]
    fn strangers_are_limited_and_callers_by_their_key() {
        let limits = Limits::new();
        let came = (0..1000).filter(|_| limits.stranger(ONE, true).is_ok()).count();
        assert!((40..60).contains(&came), "{came}");
        assert_eq!(limits.stranger(ONE, false), Ok(()), "who pairs it is let in");
        assert_eq!(limits.stranger(OTHER, true), Ok(()));
        let key = vec![1];
        let came = (0..5000).filter(|_| limits.caller(&key, 0).is_ok()).count();
        assert!((1000..1500).contains(&came), "{came}");
        assert_eq!(limits.caller(&vec![2], 200 << 20), Ok(()));
        assert!(
            limits.caller(&vec![2], 200 << 20).is_err(),
            "the bytes are counted"
        );
        assert!(limits.caller(&vec![3], 1 << 40).is_err());
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits::new();
        let places: Vec<_> = (0..100).filter_map(|_| limits.read(ONE).ok()).collect();
        assert_eq!(places.len(), READ_AT_ONCE_OF_ONE);
        assert!(limits.read(OTHER).is_ok());
        drop(places);
        assert!(limits.read(ONE).is_ok());
        assert_eq!(limits.read_at_once.load(Ordering::Relaxed), 0);
        assert!(held(&limits.reading).is_empty());
    }

    #[test]
    fn the_memory_of_addresses_has_an_end() {
        let limits = Limits::new();
        for n in 0..30_000u32 {
            let from = IpAddr::V4(n.into());
            let _ = limits.stranger(from, true);
            limits.wrong(from, b"wrong");
        }
        assert!(held(&limits.failing).len() <= LARGEST_MEMORY);
    }
}
