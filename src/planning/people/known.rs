//! Keeps the people of some databases between transactions, as planning looks them up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use uuid::Uuid;

use crate::calendar::invitations::InternalDomains;
use crate::odoo::mailboxes::Mailboxes;
use crate::store::Connection;
use crate::store::accounts::BackfillState;
use crate::store::addresses::Mailbox;
use crate::store::people::{self, Origin, Person, Xid};

/// How many people are kept, of all databases. One takes about a kilobyte.
const MOST_PEOPLE: usize = 50_000;
/// After this time all are read again. It is a precaution: rows may be written while their triggers
/// are disabled.
const LONGEST_KEPT: Duration = Duration::from_secs(3600);

/// The people of one database.
#[derive(Clone, Debug)]
pub(super) struct Known {
    by_user: BTreeMap<i32, Arc<Person>>,
    users: HashMap<i64, i32>,
    /// Those of whom Odoo has not sent all events yet and who are connected.
    backfilling: BTreeSet<i32>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) inside: InternalDomains,
}

impl Known {
    fn of(people: Vec<Person>, odoo: &str) -> Self {
        let nobody = Self {
            by_user: BTreeMap::new(),
            users: HashMap::new(),
            backfilling: BTreeSet::new(),
            mailboxes: Arc::new(Mailboxes::new().at(odoo)),
            inside: InternalDomains::default(),
        };
        nobody.with(people, odoo).unwrap_or(nobody)
    }

    /// Returns the people after some were read again; `None` if all are what they were.
    fn with(&self, mut read: Vec<Person>, odoo: &str) -> Option<Self> {
        // While a transaction is open for long, the same rows are read again and again.
        read.retain(|person| self.account(person.id) != Some(person));
        let mut are_addresses_new = self.mailboxes.odoo() != odoo;
        if read.is_empty() && !are_addresses_new {
            return None;
        }
        let mut all = self.clone();
        for person in &read {
            let known = self.account(person.id);
            are_addresses_new |= known.map(addressed) != Some(addressed(person));
            if let Some(known) = known {
                all.by_user.remove(&known.odoo_user_id);
                all.backfilling.remove(&known.odoo_user_id);
            }
        }
        for person in read {
            all.users.insert(person.id, person.odoo_user_id);
            if is_backfilling(&person) {
                all.backfilling.insert(person.odoo_user_id);
            }
            all.by_user.insert(person.odoo_user_id, Arc::new(person));
        }
        if are_addresses_new {
            all.read_addresses(odoo);
        }
        Some(all)
    }

    fn read_addresses(&mut self, odoo: &str) {
        // Includes accounts that must log in again: a lapsed consent must not look like a change.
        let mut known: Vec<&Person> = self.persons().filter(|person| !person.is_reset).collect();
        known.sort_by_key(|person| person.mailbox.told_at);
        let owned = known.into_iter().filter_map(|person| {
            let address = person.mailbox.address.clone()?;
            Some((person.odoo_user_id, address, person.mailbox.aliases.clone()))
        });
        let mailboxes = Mailboxes::of(owned).at(odoo);
        self.inside = InternalDomains::of(self.by_user.keys().filter_map(|user| mailboxes.get(user)));
        self.mailboxes = Arc::new(mailboxes);
    }

    pub(super) fn persons(&self) -> impl Iterator<Item = &Person> {
        self.by_user.values().map(Arc::as_ref)
    }

    pub(super) fn backfilling(&self) -> impl Iterator<Item = &Person> {
        self.backfilling.iter().filter_map(|user| self.user(*user))
    }

    pub(super) fn account(&self, id: i64) -> Option<&Person> {
        self.user(*self.users.get(&id)?)
    }

    pub(super) fn user(&self, user_id: i32) -> Option<&Person> {
        self.by_user.get(&user_id).map(Arc::as_ref)
    }
}

/// Returns what [`Mailboxes`] are made of.
fn addressed(person: &Person) -> (i32, bool, &Mailbox) {
    (person.odoo_user_id, person.is_reset, &person.mailbox)
}

fn is_backfilling(person: &Person) -> bool {
    let is_left = matches!(
        person.existing,
        BackfillState::Unasked | BackfillState::Asked | BackfillState::Arrived | BackfillState::AskedRecords
    );
    is_left && person.is_connected()
}

/// The people of one database with what is needed to read only what has changed since.
#[derive(Clone, Debug)]
struct Kept {
    known: Arc<Known>,
    horizon: Xid,
    origin: Origin,
    /// The process's last connection when they were read.
    connection: u64,
    /// When all were read.
    begun: Instant,
    /// Counts the uses of the cache, to find the one that was used longest ago.
    used: u64,
}

#[derive(Default)]
struct Cache {
    kept: HashMap<Uuid, Kept>,
    people: usize,
    uses: u64,
}

impl Cache {
    fn get(&self, database_id: Uuid) -> Option<Kept> {
        let kept = self.kept.get(&database_id)?;
        let is_usable =
            people::is_continuous(&kept.origin, kept.connection) && kept.begun.elapsed() < LONGEST_KEPT;
        is_usable.then(|| kept.clone())
    }

    /// Keeps the people of a database, unless a later look at the same rows is kept already. Drops
    /// those of other databases if there are too many.
    fn put(&mut self, database_id: Uuid, mut new: Kept, most: usize) {
        if let Some(old) = self.kept.get(&database_id) {
            let is_earlier = (new.connection, new.horizon) < (old.connection, old.horizon);
            if new.origin == old.origin && is_earlier {
                return;
            }
        }
        self.uses += 1;
        new.used = self.uses;
        self.people += new.known.users.len();
        if let Some(old) = self.kept.insert(database_id, new) {
            self.people -= old.known.users.len();
        }
        while self.people > most && self.kept.len() > 1 {
            let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
            let oldest = oldest.map(|(id, _)| *id);
            if let Some(dropped) = oldest.and_then(|id| self.kept.remove(&id)) {
                self.people -= dropped.known.users.len();
            }
        }
    }
}

fn cache() -> MutexGuard<'static, Cache> {
    // `store` and `planning` get a connection, and nothing that lives as long as the process.
    static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns whether the people of a database are kept.
pub(super) fn is_kept(database_id: Uuid) -> bool {
    cache().get(database_id).is_some()
}

/// Returns the people of a database as the present transaction sees them; `odoo` is the address of
/// its Odoo.
///
/// # Errors
/// When Postgres fails.
pub(super) async fn read(conn: &mut Connection, database_id: Uuid, odoo: &str) -> QueryResult<Arc<Known>> {
    let connection = people::last_connection();
    let kept = cache().get(database_id);
    let since = kept.as_ref().map_or(Xid::NONE, |kept| kept.horizon);
    let mut changes = people::changed_since(conn, database_id, since).await?;
    let is_whole = kept.is_none();
    let kept = kept.filter(|kept| kept.origin == changes.origin);
    if kept.is_none() && !is_whole {
        changes = people::changed_since(conn, database_id, Xid::NONE).await?;
    }
    let is_own = changes.is_own;
    let next = match kept {
        Some(kept) => Kept {
            known: match kept.known.with(changes.people, odoo) {
                Some(known) => Arc::new(known),
                None => kept.known,
            },
            horizon: changes.horizon,
            connection,
            ..kept
        },
        None => Kept {
            known: Arc::new(Known::of(changes.people, odoo)),
            horizon: changes.horizon,
            origin: changes.origin,
            connection,
            begun: Instant::now(),
            used: 0,
        },
    };
    let known = Arc::clone(&next.known);
    // What this transaction has changed itself may be rolled back. The horizon stays, too: another
    // transaction's change is hidden behind it.
    if !is_own {
        cache().put(database_id, next, MOST_PEOPLE);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::store::accounts::SyncState;
    use crate::store::choices::StoredChoices;

    fn person(id: i64, user: i32, login: &str) -> Person {
        Person {
            id,
            odoo_user_id: user,
            login: login.to_owned(),
            state: SyncState::Active,
            has_consent: true,
            is_reset: false,
            is_braked: false,
            resetting: false,
            pulled_once: false,
            existing: BackfillState::Unasked,
            connected_at: DateTime::UNIX_EPOCH,
            ignore_before: None,
            window_start: None,
            window_end: None,
            choices: StoredChoices::default(),
            mailbox: Mailbox::of_login(login),
        }
    }

    #[test]
    fn who_is_read_again_replaces_who_was_known() {
        let ann = person(1, 7, "ann@x.org");
        let ben = person(2, 8, "ben@y.org");
        let known = Known::of(vec![ann.clone(), ben.clone()], "http://odoo");
        assert!(known.with(vec![ann.clone()], "http://odoo").is_none());
        let told = Person {
            existing: BackfillState::Told,
            ..ann.clone()
        };
        let later = known.with(vec![told.clone()], "http://odoo").unwrap();
        assert!(
            Arc::ptr_eq(&later.mailboxes, &known.mailboxes),
            "addresses are the same"
        );
        assert_eq!(later.account(1), Some(&told));
        assert_eq!(later.backfilling().collect::<Vec<_>>(), [&ben]);
        // The two users change places, and one has another address.
        let swapped = [person(1, 8, "ann@z.org"), person(2, 7, "ben@y.org")];
        let later = later.with(swapped.to_vec(), "http://odoo").unwrap();
        assert_eq!(later.persons().collect::<Vec<_>>(), [&swapped[1], &swapped[0]]);
        assert_eq!(later.account(1), Some(&swapped[0]));
        let address = swapped[0].mailbox.address.as_ref().unwrap();
        assert_eq!(later.mailboxes.user_of(address), Some(8));
        assert!(!later.inside.is_outside(address) && known.inside.is_outside(address));
    }

    #[test]
    fn the_people_of_databases_that_are_used_are_kept() {
        let kept = |people: i64| Kept {
            known: Arc::new(Known::of(
                (0..people)
                    .map(|id| person(id, i32::try_from(id).unwrap(), "ann@x.org"))
                    .collect(),
                "",
            )),
            horizon: Xid::NONE,
            origin: Origin::default(),
            connection: 1,
            begun: Instant::now(),
            used: 0,
        };
        let [first, second, third] = [1, 2, 3].map(Uuid::from_u128);
        let mut cache = Cache::default();
        cache.put(first, kept(2), 5);
        cache.put(second, kept(2), 5);
        cache.put(first, kept(3), 5);
        assert_eq!(cache.people, 5);
        cache.put(third, kept(1), 5);
        assert!(cache.get(second).is_none() && cache.get(first).is_some());
        // One database may have more people than the limit.
        cache.put(third, kept(9), 5);
        assert!(cache.get(first).is_none() && cache.get(third).is_some());
        assert_eq!(cache.people, 9);
    }
}
