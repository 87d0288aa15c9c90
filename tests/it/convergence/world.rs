//! One world: a simulator, a database, the service in a process of its own, Odoo's side, and three people who use
//! both calendars.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use diesel_async::RunQueryDsl;
use graph_sim::climate::Climate;
use graph_sim::meetings;
use outlook_bridge::store::{Store, accounts, databases, outbox};
use serde_json::{Map, Value, json};

use super::event::{Deed, Event, Sight};
use super::facts::{self, Field, Values};
use super::faults::Trouble;
use super::operations::{Act, Exchange, PROCESSES, Step};
use super::people::{Answer, CONTACTS, DROPPED, Side, USERS, address_of};
use super::series::Series;
use super::service::{Log, Process};
use super::shown::{
    answer_in_record, attendees, everybody_of_copy, everybody_of_record, guests_of_copy, id_of, live, person,
    with_mark,
};
use crate::odoo::{Odoo, next_second};
use crate::stack::{BEN, CLIENT_ID, CLIENT_SECRET, Stack};

/// How long a world may take to become quiet: far longer than it ever does, so that what never ends is told.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which side drops [`DROPPED`] from whatever it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Keeps,
    Drops(Side),
}

impl Peer {
    pub fn of(seed: u64) -> Self {
        match seed % 3 {
            0 => Self::Keeps,
            1 => Self::Drops(Side::Outlook),
            _ => Self::Drops(Side::Odoo),
        }
    }
}

pub struct World {
    pub stack: Stack,
    pub odoo: Odoo,
    pub log: Log,
    pub events: Vec<Event>,
    pub series: Vec<Series>,
    pub store: Store,
    /// All of them do the same work; Odoo's calls go to one after another.
    services: Vec<Process>,
    calls: usize,
    /// Odoo as it was at the last backup.
    backup: Option<Odoo>,
    pub is_restored: bool,
    /// Whether somebody's account was kept from being synced since the last quiet.
    is_disturbed: bool,
    /// Whose consent is gone, whether the service knows it yet or not.
    revoked: BTreeSet<i64>,
    /// An answer that Odoo's slow worker has not applied yet.
    held: Option<Value>,
    /// Who chose to sync only what is new, and how many events there were then: what ends of those is not made anew in their mailbox.
    only_new: BTreeMap<i64, usize>,
    /// Things done by people.
    pub acts: usize,
    /// Those of them that were done to series.
    pub series_acts: usize,
    pub kills: usize,
    pub restores: usize,
}

fn next_of<'s>(services: &'s [Process], calls: &mut usize) -> &'s Process {
    *calls += 1;
    &services[*calls % services.len()]
}

impl World {
    /// Everybody is connected, and everything is quiet.
    pub async fn start(peer: Peer, climate: Climate) -> Self {
        let stack = Stack::start().await;
        stack.sim.sim.world().switches = climate.switches();
        let log = Log::default();
        let mut services = Vec::new();
        for _ in 0..PROCESSES {
            services.push(Process::start(&stack, &log).await);
        }
        let service = &services[0];
        let code = service.enroll(&stack).await;
        let mut odoo = Odoo::pair_with(service, code).await;
        odoo.users = USERS.map(|(id, address)| (id, address.to_owned())).into();
        odoo.contacts = CONTACTS
            .map(|(address, written)| (address.to_owned(), written.to_owned()))
            .into();
        match peer {
            Peer::Keeps => {}
            Peer::Drops(Side::Odoo) => odoo.drops = Some(DROPPED.to_owned()),
            Peer::Drops(Side::Outlook) => {
                let drops = json!({"drops_attendee": DROPPED});
                drop(stack.sim_call("PUT", "switches", drops).await);
            }
        }
        // Who signs in by a name that is no address of the mailbox.
        let upn = json!({"upn": "b1234@contoso.onmicrosoft.example"});
        stack.sim_call("PATCH", &format!("people/{BEN}"), upn).await;
        for (user, _) in USERS {
            odoo.log_in(&stack, service, user).await.expect("connected");
        }
        next_second().await;
        let store = Store::new(&stack.database_url, 2).expect("a pool");
        let mut world = Self {
            stack,
            odoo,
            log,
            events: Vec::new(),
            series: Vec::new(),
            store,
            services,
            calls: 0,
            backup: None,
            is_restored: false,
            is_disturbed: false,
            revoked: BTreeSet::new(),
            held: None,
            only_new: BTreeMap::new(),
            acts: 0,
            series_acts: 0,
            kills: 0,
            restores: 0,
        };
        world.quiet().await;
        world
    }

    pub async fn step(&mut self, step: &Step) {
        match step {
            Step::Act { wish, act } => self.act(*wish, act),
            Step::Series { wish, act } => self.act_on_series(*wish, act),
            Step::Exchange(exchange) => self.exchange(*exchange).await,
            Step::Trouble(trouble) => self.trouble(trouble).await,
            Step::Kill { which, down } => self.kill(*which, Duration::from_millis(*down)).await,
            Step::Backup => self.back_up().await,
            Step::Restore(side) => self.restore(*side).await,
            Step::Reset { user, all, delete } => self.reset(*user, *all, *delete).await,
            Step::Pause(milliseconds) => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
        }
    }

    /// The others go on while the killed one's successor starts.
    async fn kill(&mut self, which: usize, down: Duration) {
        let killed = self.services.swap_remove(which % self.services.len());
        let id = killed.id.clone();
        killed.kill().await;
        self.kills += 1;
        tokio::time::sleep(down).await;
        // A killed process leaves its leases; they run out in some seconds, which nobody has to wait for here.
        self.run_sql(&format!(
            "UPDATE accounts SET lease_id = NULL, next_run_at = now()
             WHERE left(lease_id::text, 18) = left('{id}', 18)"
        ))
        .await;
        self.services.push(Process::start(&self.stack, &self.log).await);
    }

    async fn stop_all(&mut self) {
        for service in self.services.drain(..) {
            service.kill().await;
        }
        self.store = Store::new(&self.stack.database_url, 2).expect("a pool");
    }

    async fn start_all(&mut self) {
        self.run_sql("UPDATE accounts SET lease_id = NULL, next_run_at = now() WHERE lease_id IS NOT NULL")
            .await;
        for _ in 0..PROCESSES {
            self.services.push(Process::start(&self.stack, &self.log).await);
        }
    }

    async fn back_up(&mut self) {
        self.stop_all().await;
        self.stack.copy_database("", "_backup").await;
        self.start_all().await;
        self.backup = Some(self.odoo.clone());
    }

    async fn restore(&mut self, side: Side) {
        let Some(backup) = &self.backup else {
            return self.back_up().await;
        };
        self.restores += 1;
        match side {
            Side::Odoo => {
                for event in &mut self.events {
                    event.leftovers.clear();
                }
                self.odoo = backup.clone();
                self.end_again();
            }
            Side::Outlook => {
                self.stop_all().await;
                self.stack.copy_database("_backup", "").await;
                self.start_all().await;
            }
        }
        // Odoo's key may be a later one, or an earlier one: the administrator pairs the two again.
        self.held = None;
        self.is_restored = true;
        for event in &mut self.events {
            event.deeds.push(Deed::Restored);
            event.forgotten = side == Side::Outlook && !event.before.is_active();
        }
        self.pair_again().await;
    }

    /// What has ended since the backup is in Odoo again. People end it once more, as the service does nothing about it.
    fn end_again(&mut self) {
        for index in 0..self.events.len() {
            let before = &self.events[index].before;
            let (is_over, is_gone) = (!before.is_active(), before.record.is_none());
            let Some(record) = self.active_record(index).filter(|_| is_over) else {
                continue;
            };
            if is_gone {
                self.odoo.unlink(id_of(&record));
            } else {
                self.odoo.write(id_of(&record), json!({"active": false}));
            }
        }
        self.end_series_again();
    }

    async fn pair_again(&mut self) {
        let code = self.services[0].enroll_again(&self.stack, &self.odoo.uuid).await;
        self.odoo.redeem_code(&self.services[0], code).await;
        // What is made from now on must not seem to have existed before: Odoo tells whole seconds.
        next_second().await;
    }

    async fn reset(&mut self, user: i64, all: bool, delete: bool) {
        let sync_policy = if all { "all" } else { "new" };
        let delete_policy = if delete { "delete_both" } else { "dont_delete" };
        let kwargs = json!({"user_id": user, "delete_policy": delete_policy, "sync_policy": sync_policy, "mails": null});
        self.ask(2, "microsoft.calendar.account.reset", "reset_account", kwargs)
            .await
            .expect("a reset");
        if !all {
            self.only_new.insert(user, self.events.len());
        }
        if delete {
            // The user logs in again when that is done.
            self.note_deletion(user);
        } else {
            self.log_in(user).await;
        }
        next_second().await;
    }

    /// What a user organizes is deleted from both sides.
    fn note_deletion(&mut self, user: i64) {
        let own = |event: &&mut Event| event.organizer == user && event.before.is_active();
        for event in self.events.iter_mut().filter(own) {
            event.deeds.extend([Deed::DeletedInOutlook, Deed::Unlinked]);
        }
        for index in 0..self.series.len() {
            if self.series[index].organizer == user {
                let own = self.of_their_own(index);
                self.series[index].note_deletion(own);
            }
        }
    }

    async fn run_sql(&self, sql: &str) {
        let mut conn = self.store.get().await.expect("Postgres");
        diesel::sql_query(sql)
            .execute(&mut conn)
            .await
            .expect("a statement");
    }

    async fn trouble(&mut self, trouble: &Trouble) {
        self.is_disturbed |= !matches!(
            trouble,
            Trouble::Fault(_) | Trouble::Switches(_) | Trouble::ForgetDelta(_)
        );
        match trouble {
            Trouble::Sync { user, on } => {
                let method = if *on { "restart" } else { "stop" };
                self.ask(*user, "res.users", method, json!({"user_id": user}))
                    .await;
                return;
            }
            Trouble::Paused(paused) => return self.set(json!({"paused": paused})).await,
            Trouble::NewSecret => return self.new_secret().await,
            Trouble::LogIn(user) => return self.log_in(*user).await,
            Trouble::Revoke(user) => drop(self.revoked.insert(*user)),
            _ => {}
        }
        let (method, path, body) = match trouble {
            Trouble::Fault(fault) => ("POST", "faults".to_owned(), fault.clone()),
            Trouble::Switches(switches) => ("PUT", "switches".to_owned(), switches.clone()),
            Trouble::ForgetDelta(person) => ("POST", format!("mailboxes/{person}/delta-reset"), json!({})),
            Trouble::ExpireTokens(person) => ("POST", format!("people/{person}/expire-tokens"), json!({})),
            Trouble::Revoke(user) => ("POST", format!("people/{}/revoke", address_of(*user)), json!({})),
            Trouble::SecretExpired => (
                "PATCH",
                format!("apps/{CLIENT_ID}"),
                json!({"secret_expired": true}),
            ),
            other => unreachable!("{other:?} is done already"),
        };
        self.stack.sim_call(method, &path, body).await;
    }

    /// A call of somebody in Odoo, who tries again later if it fails.
    async fn ask(&self, uid: i64, model: &str, method: &str, kwargs: Value) -> Option<Value> {
        self.odoo
            .call(&self.services[0], uid, model, method, kwargs)
            .await
            .ok()
    }

    async fn set(&self, values: Value) {
        self.ask(2, "res.config.settings", "set_values", values).await;
    }

    async fn new_secret(&self) {
        let path = format!("apps/{CLIENT_ID}");
        self.stack
            .sim_call("PATCH", &path, json!({"secret_expired": false}))
            .await;
        self.set(json!({"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
            .await;
    }

    async fn log_in(&mut self, user: i64) {
        let redeemed = self.odoo.log_in(&self.stack, &self.services[0], user).await;
        if redeemed.is_ok() {
            self.revoked.remove(&user);
        }
    }

    /// People put right what keeps anybody from being synced, and say yes to what they are asked.
    async fn put_right(&mut self) {
        if !self.odoo.state["quarantined"].is_null() {
            self.pair_again().await;
        }
        if self.odoo.state["paused"] == true {
            self.set(json!({"paused": false})).await;
        }
        for account in self.odoo.state["accounts"].as_array().expect("accounts").clone() {
            let user = account["user_id"].as_i64().expect("a user");
            match account["status"].as_str() {
                Some("stopped") => {
                    self.ask(user, "res.users", "restart", json!({"user_id": user}))
                        .await;
                }
                Some("need_auth") => {
                    self.log_in(user).await;
                    // Odoo counts in seconds: what is made in the same one seems to have been there before.
                    next_second().await;
                }
                _ if self.revoked.contains(&user) => self.log_in(user).await,
                _ => {}
            }
            if account["mails"] != 0 {
                let yes = json!({"user_id": user, "send": true, "mails": null});
                self.ask(user, "res.users", "answer_mails", yes).await;
            }
            if !account["removals"].is_null() {
                let yes = json!({"user_id": user, "remove": true});
                self.ask(2, "res.users", "answer_removals", yes).await;
            }
        }
    }

    async fn exchange(&mut self, exchange: Exchange) {
        // Odoo's advisory lock lets one exchange apply at a time.
        if let Some(answer) = self.held.take() {
            self.odoo.take(&answer);
        }
        let service = next_of(&self.services, &mut self.calls);
        let Ok(answer) = self.odoo.hand_over(service).await else {
            return;
        };
        match exchange {
            Exchange::Whole => self.odoo.take(&answer),
            Exchange::AnswerLost => {}
            Exchange::Repeated => {
                if let Ok(answer) = self.odoo.hand_over(service).await {
                    self.odoo.take(&answer);
                }
            }
            Exchange::Slow => self.held = Some(answer),
        }
    }

    /// Goes on until nobody has anything to say: faults end, the service runs, Odoo exchanges, and each mailbox is
    /// worked again and again, until twice in a row nothing moved.
    pub async fn quiet(&mut self) {
        self.stack.sim_call("DELETE", "faults", Value::Null).await;
        self.stack
            .sim_call("PUT", "switches", json!({"spurious_412_every": 0}))
            .await;
        self.new_secret().await;
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut still = 0;
        while still < 2 {
            assert!(
                tokio::time::Instant::now() < until,
                "never quiet: {}",
                self.what_moves().await
            );
            let before = self.fingerprint();
            self.exchange(Exchange::Whole).await;
            self.run_twice(until).await;
            self.exchange(Exchange::Whole).await;
            let moved = self.fingerprint() != before || !self.odoo.is_idle() || self.owed().await > 0;
            still = if moved { 0 } else { still + 1 };
        }
        self.is_disturbed = false;
    }

    /// What changes whenever either side does.
    fn fingerprint(&self) -> (Vec<(u64, u64)>, u64, String) {
        let microsoft = self.stack.sim.sim.world();
        let marks = microsoft
            .mailboxes
            .values()
            .map(|m| (m.next_seq, m.next_change))
            .collect();
        let records = serde_json::to_string(&self.odoo.records).expect("JSON");
        (marks, microsoft.next_mail, records)
    }

    /// Waits until each mailbox has had a whole run that began from now on: the second one that ends did.
    async fn run_twice(&mut self, until: tokio::time::Instant) {
        for _ in 0..2 {
            let since = chrono::Utc::now();
            loop {
                assert!(
                    tokio::time::Instant::now() < until,
                    "not worked: {}",
                    self.what_moves().await
                );
                let late = self.late(since).await;
                let Some(user) = late.iter().copied().min() else {
                    break;
                };
                // Time passes: what had to wait has waited. And somebody opens the calendar, so that it shows at once.
                self.run_sql(
                    "UPDATE outlook_outbox SET next_attempt_at = now() WHERE next_attempt_at > now()",
                )
                .await;
                self.run_sql("UPDATE put_aside SET next_at = now() WHERE next_at > now()")
                    .await;
                let users: Vec<String> = late.iter().map(i64::to_string).collect();
                let users = users.join(", ");
                self.run_sql(&format!(
                    "UPDATE accounts SET next_run_at = now(), rest_until = NULL WHERE (next_run_at > now() OR rest_until > now()) AND odoo_user_id IN ({users})"
                ))
                .await;
                self.odoo.waiting = Some(user);
                self.exchange(Exchange::Whole).await;
                self.put_right().await;
                self.odoo.waiting = None;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    }

    /// Users whose mailbox had no successful run since then, or is owed something.
    async fn late(&self, since: chrono::DateTime<chrono::Utc>) -> Vec<i64> {
        let mut conn = self.store.get().await.expect("Postgres");
        let mut late = Vec::new();
        for database in databases::all(&mut conn).await.expect("databases") {
            for account in accounts::of_database(&mut conn, database.id)
                .await
                .expect("accounts")
            {
                let owed = outbox::outlook_owed(&mut conn, account.id)
                    .await
                    .expect("a count");
                if owed > 0 || account.last_sync_at.is_none_or(|at| at < since) {
                    late.push(i64::from(account.odoo_user_id));
                }
            }
        }
        late
    }

    /// How much is owed to either side.
    pub async fn owed(&self) -> i64 {
        let mut conn = self.store.get().await.expect("Postgres");
        let mut owed = 0;
        for database in databases::all(&mut conn).await.expect("databases") {
            owed += outbox::odoo_owed(&mut conn, database.id).await.expect("a count");
            for account in accounts::of_database(&mut conn, database.id)
                .await
                .expect("accounts")
            {
                owed += outbox::outlook_owed(&mut conn, account.id)
                    .await
                    .expect("a count");
            }
        }
        owed
    }

    async fn what_moves(&self) -> String {
        let log = self.log.lock().expect("the log");
        let tail: Vec<&str> = log.iter().rev().take(200).rev().map(String::as_str).collect();
        tail.join("\n")
    }

    /// Meetings that are set aside, or where Outlook could not be told what Odoo has: none, as every organizer is
    /// connected and nothing that people do here is refused.
    pub async fn troubled(&self) -> Vec<String> {
        self.meetings("set_aside IS NOT NULL OR differs").await
    }

    /// What the service knows of an event or a series.
    pub async fn known(&self, mark: &str) -> Vec<String> {
        let names = "coalesce(odoo_state ->> 'name', odoo_state #>> '{template,name}', '')";
        let of_copy = "coalesce(c.state ->> 'title', c.state #>> '{template,title}', '')";
        let like = format!("LIKE '{mark} %'");
        self.meetings(&format!(
            "{names} {like} OR EXISTS (SELECT FROM copies c WHERE c.meeting_id = meetings.id
             AND ({of_copy} {like} OR {of_copy} LIKE 'Canceled: {mark} %'))"
        ))
        .await
    }

    async fn meetings(&self, condition: &str) -> Vec<String> {
        #[derive(diesel::QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Text)]
            text: String,
        }
        let mut conn = self.store.get().await.expect("Postgres");
        let rows: Vec<Row> = diesel::sql_query(format!(
            "SELECT concat(id, ' ', coalesce(odoo_state ->> 'name', odoo_state #>> '{{template,name}}'), ': ', set_aside,
               CASE WHEN differs THEN ' differs' END, CASE WHEN odoo_gone THEN ' gone' END,
               CASE WHEN ended THEN ' ended' END, CASE WHEN revived THEN ' revived' END,
               CASE WHEN unconfirmed THEN ' unconfirmed' END, CASE WHEN base_odoo IS NULL THEN ' without base' END,
               ' guests ', guests, ' record ', odoo_id, ' ', series_key, ' copies ',
               (SELECT string_agg(concat(c.account_id, ' ', c.state ->> 'title', c.state #>> '{{template,title}}',
                 CASE WHEN c.is_organizer THEN ' own' END, CASE WHEN c.gone THEN ' gone' END,
                 CASE WHEN c.cancelled THEN ' cancelled' END, ' answer ', c.answer, ' of ', c.answer_base), ', ')
                 FROM copies c WHERE c.meeting_id = meetings.id),
               ' accounts ', (SELECT string_agg(concat(a.odoo_user_id, ' ', a.state, ' ', a.existing), ', ') FROM accounts a),
               ' owed ', (SELECT count(*) FROM odoo_outbox o WHERE o.meeting_id = meetings.id),
               (SELECT string_agg(concat(E'\\n    ', to_char(j.at, 'HH24:MI:SS.MS '), j.message), '' ORDER BY j.id)
                 FROM journal j WHERE j.series_key = meetings.series_key)) AS text
             FROM meetings WHERE {condition}"
        ))
        .load(&mut conn)
        .await
        .expect("meetings");
        rows.into_iter().map(|row| row.text).collect()
    }

    /// The journal's lines about a record, newest first.
    pub async fn journal(&self, record: i64) -> String {
        let service = &self.services[0];
        let kwargs = json!({"user_id": null, "res_id": record, "limit": 100});
        let lines = self
            .odoo
            .call(service, 2, "outlook.bridge", "journal", kwargs)
            .await
            .expect("the journal");
        let lines = lines.as_array().expect("lines");
        let text: Vec<String> = lines
            .iter()
            .map(|l| {
                format!(
                    "{} {}",
                    l["time"].as_str().unwrap_or(""),
                    l["message"].as_str().unwrap_or("")
                )
            })
            .collect();
        text.join("\n")
    }

    fn act(&mut self, wish: usize, act: &Act) {
        if let Act::Create {
            side,
            user,
            guests,
            values,
        } = act
        {
            self.create(*side, *user, guests, values);
            self.acts += 1;
            return;
        }
        let all = self.events.len();
        let done = (0..all).any(|n| self.act_on((wish + n) % all, act));
        self.acts += usize::from(done);
    }

    fn create(&mut self, side: Side, user: i64, guests: &[&'static str], values: &Values) {
        let mark = format!("E{}", self.events.len());
        let values = marked(values, &mark);
        match side {
            Side::Odoo => {
                let id = self.odoo.create(
                    user,
                    &values[&Field::Title],
                    "2000-01-01 00:00:00",
                    "2000-01-01 01:00:00",
                    guests,
                );
                self.odoo.write(id, facts::odoo_values(&values));
            }
            Side::Outlook => {
                let mut body = facts::outlook_properties(&values);
                body.insert("attendees".into(), attendees(guests));
                let mut microsoft = self.stack.sim.sim.world();
                microsoft
                    .create(address_of(user), None, &body, &person())
                    .expect("created");
            }
        }
        let mut deeds = vec![Deed::Created];
        deeds.extend(guests.iter().map(|g| joined(side, g)));
        self.events.push(Event {
            mark,
            organizer: user,
            deeds,
            before: Sight::default(),
            invited: BTreeSet::new(),
            categories: BTreeMap::new(),
            leftovers: BTreeSet::new(),
            forgotten: false,
            declined_untold: BTreeSet::new(),
        });
    }

    /// Does it to this event, if it can be done to it.
    fn act_on(&mut self, index: usize, act: &Act) -> bool {
        let deeds = match act {
            Act::Create { .. } => None,
            Act::Edit {
                side: Side::Odoo,
                user,
                values,
            } => self.save_in_odoo(index, *user, values),
            Act::Edit { values, .. } => self.save_in_outlook(index, values),
            Act::Clash { field, odoo, outlook } => self.clash(index, *field, odoo, outlook),
            Act::Guests {
                side: Side::Odoo,
                add,
                remove,
            } => self.guests_in_odoo(index, *add, *remove),
            Act::Guests { add, remove, .. } => self.guests_in_outlook(index, *add, *remove),
            Act::HandOver { user } => self.hand_over(index, *user),
            Act::Archive => self.set_active(index, false),
            Act::Unarchive => self.set_active(index, true),
            Act::Unlink => self.record(index).map(|record| {
                self.odoo.unlink(id_of(&record));
                vec![Deed::Unlinked]
            }),
            Act::DeleteInOutlook => self.delete_in_outlook(index),
            Act::Answer {
                side: Side::Odoo,
                user,
                answer,
            } => self.answer_in_odoo(index, *user, answer),
            Act::Answer { user, answer, .. } => self.answer_in_outlook(index, *user, answer),
            Act::AnswerByMail { address, answer } => self.answer_by_mail(index, address, answer),
            Act::DropCopy { user } => self.drop_copy(index, *user),
            Act::Categories { user, category } => self.categorize(index, *user, category),
        };
        let done = deeds.is_some();
        self.events[index].deeds.extend(deeds.into_iter().flatten());
        done
    }

    /// Odoo's record of an event, archived or not.
    fn record(&self, index: usize) -> Option<Value> {
        let mark = format!("{} ", self.events[index].mark);
        let mut found: Vec<&Value> = self
            .odoo
            .records
            .values()
            .filter(|r| r["name"].as_str().is_some_and(|name| name.starts_with(&mark)))
            .filter(|r| !self.events[index].leftovers.contains(&id_of(r)))
            .collect();
        if self.is_restored && found.len() > 1 {
            found.retain(|r| r["active"] == true);
        }
        assert!(found.len() <= 1, "two records of {mark}in Odoo: {found:#?}");
        found.pop().cloned()
    }

    /// After a restore what had been archived at the backup may stay so, beside the record that Outlook's event has now.
    pub fn note_leftovers(&mut self, index: usize) {
        let Some(record) = self.active_record(index).filter(|_| self.is_restored) else {
            return;
        };
        let mark = format!("{} ", self.events[index].mark);
        let others = self.odoo.records.values().filter(|r| {
            r["name"].as_str().is_some_and(|name| name.starts_with(&mark)) && r["active"] == false
        });
        let ids: Vec<i64> = others.map(id_of).filter(|id| *id != id_of(&record)).collect();
        self.events[index].leftovers.extend(ids);
    }

    fn active_record(&self, index: usize) -> Option<Value> {
        self.record(index).filter(|r| r["active"] == true)
    }

    fn organizers(&self, index: usize) -> &'static str {
        address_of(self.events[index].organizer)
    }

    fn save_in_odoo(&mut self, index: usize, user: i64, values: &Values) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let values = marked(values, &self.events[index].mark);
        let before = facts::in_odoo(&record);
        self.odoo.actor = user;
        self.odoo.write(id_of(&record), facts::odoo_values(&values));
        let changed = values
            .into_iter()
            .map(|(field, value)| (field, field.in_odoo(&value)))
            .filter(|(field, value)| before[field] != *value)
            .collect();
        Some(vec![Deed::Saved(Side::Odoo, changed)])
    }

    fn save_in_outlook(&mut self, index: usize, values: &Values) -> Option<Vec<Deed>> {
        let values = marked(values, &self.events[index].mark);
        let body = facts::outlook_properties(&values);
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let before = facts::in_outlook(&shown);
        let changed = values
            .into_iter()
            .filter(|(field, value)| before[field] != *value)
            .collect();
        Some(vec![Deed::Saved(Side::Outlook, changed)])
    }

    fn clash(&mut self, index: usize, field: Field, odoo: &str, outlook: &str) -> Option<Vec<Deed>> {
        self.active_record(index)?;
        let mut deeds = self.save_in_outlook(index, &Values::from([(field, outlook.to_owned())]))?;
        deeds.extend(self.save_in_odoo(index, 7, &Values::from([(field, odoo.to_owned())]))?);
        deeds.push(Deed::Clashed);
        Some(deeds)
    }

    fn guests_in_odoo(
        &mut self,
        index: usize,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    ) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let there = everybody_of_record(&record);
        let organizer = self.organizers(index);
        if add == Some(organizer) {
            self.odoo.add_namesake(id_of(&record), organizer);
            return Some(vec![Deed::OtherGuests]);
        }
        let add = add.filter(|a| !there.contains(*a) && *a != organizer);
        let remove = remove.filter(|r| there.contains(*r));
        if add.is_none() && remove.is_none() {
            return None;
        }
        self.odoo
            .change_guests(id_of(&record), add.as_slice(), remove.as_slice());
        let deeds = add.map(|a| joined(Side::Odoo, a)).into_iter();
        Some(deeds.chain(remove.map(|r| left(Side::Odoo, r))).collect())
    }

    fn guests_in_outlook(
        &mut self,
        index: usize,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    ) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        let there = everybody_of_copy(&shown);
        let add = add.filter(|a| !there.contains(*a) && *a != address);
        let remove = remove.filter(|r| there.contains(*r));
        if add.is_none() && remove.is_none() {
            return None;
        }
        let mut list: Vec<Value> = shown["attendees"].as_array().expect("attendees").clone();
        list.retain(|a| remove.is_none_or(|gone| a["emailAddress"]["address"] != *gone));
        list.extend(attendees(add.as_slice()).as_array().expect("a list").clone());
        let body = Map::from_iter([("attendees".to_owned(), json!(list))]);
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let deeds = add.map(|a| joined(Side::Outlook, a)).into_iter();
        Some(deeds.chain(remove.map(|r| left(Side::Outlook, r))).collect())
    }

    /// Only what was there at the last quiet, and to who is known to be connected: else the service says what it waits for, and who must
    /// save it again. The backup goes: what an Odoo with the former organizer leads to has a test of its own in `organizers.rs`.
    fn hand_over(&mut self, index: usize, user: i64) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let event = &self.events[index];
        let from = event.organizer;
        let was_there = event.before.is_active() && event.before.live(address_of(from)).is_some();
        let is_old = self.only_new.get(&user).is_some_and(|old| index < *old);
        if user == from || !was_there || !event.deeds.is_empty() || self.is_disturbed || is_old {
            return None;
        }
        let (id, address) = (id_of(&record), address_of(user));
        let organizer = self.odoo.organizer(user);
        self.odoo.write(id, json!({ "organizer": organizer }));
        if answer_in_record(&record, address).is_none() {
            self.odoo.change_guests(id, &[address], &[]);
        }
        self.odoo.answer(id, user, "accepted");
        self.events[index].organizer = user;
        self.backup = None;
        Some(vec![Deed::HandedOver(from, user)])
    }

    fn set_active(&mut self, index: usize, active: bool) -> Option<Vec<Deed>> {
        let organizer = self.events[index].organizer;
        if active && self.only_new.get(&organizer).is_some_and(|old| index < *old) {
            return None;
        }
        let record = self.record(index).filter(|r| r["active"] != active)?;
        self.odoo.write(id_of(&record), json!({"active": active}));
        Some(vec![if active { Deed::Unarchived } else { Deed::Archived }])
    }

    /// Only what was there at the last quiet: Graph forgets a `transactionId` with its event, so that nobody can tell
    /// whether an event that is gone before its creation was answered was ever made.
    fn delete_in_outlook(&mut self, index: usize) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        let known = self.events[index]
            .before
            .live(address)
            .is_some_and(|copy| copy["id"] == shown["id"]);
        known.then(|| {
            microsoft
                .delete(address, target, None, "", &person())
                .expect("deleted");
            vec![Deed::DeletedInOutlook]
        })
    }

    fn answer_in_odoo(&mut self, index: usize, user: i64, answer: Answer) -> Option<Vec<Deed>> {
        let record = self.active_record(index)?;
        let address = address_of(user);
        let before = answer_in_record(&record, address)?;
        if user == self.events[index].organizer || before == answer {
            return None;
        }
        self.odoo.answer(id_of(&record), user, answer);
        Some(vec![Deed::Answered(Side::Odoo, address, answer)])
    }

    fn answer_in_outlook(&mut self, index: usize, user: i64, answer: Answer) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, _) = live(&microsoft, address, &self.events[index].mark, false)?;
        let said = meetings::Answer::parse(answer).expect("an answer");
        microsoft
            .respond(address, target, said, None, true, None, &person())
            .expect("answered");
        Some(vec![Deed::Answered(Side::Outlook, address, answer)])
    }

    fn answer_by_mail(&mut self, index: usize, guest: &'static str, answer: Answer) -> Option<Vec<Deed>> {
        let address = self.organizers(index);
        let mut microsoft = self.stack.sim.sim.world();
        let (_, shown) = live(&microsoft, address, &self.events[index].mark, true)?;
        if !guests_of_copy(&shown, address).contains(guest) {
            return None;
        }
        let said = if answer == "tentative" {
            "tentativelyAccepted"
        } else {
            answer
        };
        let uid = shown["iCalUId"].as_str().expect("an iCalUId");
        microsoft
            .track(address, uid, None, guest, said, None)
            .expect("noted");
        Some(vec![Deed::Answered(Side::Outlook, guest, answer)])
    }

    fn drop_copy(&mut self, index: usize, user: i64) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let mut microsoft = self.stack.sim.sim.world();
        let (target, _) = live(&microsoft, address, &self.events[index].mark, false)?;
        microsoft
            .delete(address, target, None, "", &person())
            .expect("deleted");
        Some(vec![Deed::Dropped(address)])
    }

    fn categorize(&mut self, index: usize, user: i64, category: &str) -> Option<Vec<Deed>> {
        let address = address_of(user);
        let is_organizer = user == self.events[index].organizer;
        let mut microsoft = self.stack.sim.sim.world();
        let (target, shown) = live(&microsoft, address, &self.events[index].mark, is_organizer)?;
        let body = Map::from_iter([("categories".to_owned(), json!([category]))]);
        microsoft
            .patch(address, target, &body, None, &person())
            .expect("a change");
        let id = shown["id"].as_str().expect("an id").to_owned();
        Some(vec![Deed::Categorized(id, category.to_owned())])
    }

    /// Everything there is of an event now.
    pub fn sight(&self, index: usize) -> Sight {
        let microsoft = self.stack.sim.sim.world();
        let mark = &self.events[index].mark;
        let copies = USERS.map(|(_, address)| (address, with_mark(&microsoft, address, mark)));
        Sight {
            record: self.record(index),
            copies: copies.into(),
        }
    }
}

/// The title is what tells the events apart.
fn marked(values: &Values, mark: &str) -> Values {
    let mut values = values.clone();
    if let Some(title) = values.get_mut(&Field::Title) {
        *title = format!("{mark} {title}");
    }
    values
}

fn joined(side: Side, who: &'static str) -> Deed {
    match who {
        DROPPED => Deed::OtherGuests,
        who => Deed::Joined(side, who),
    }
}

fn left(side: Side, who: &'static str) -> Deed {
    match who {
        DROPPED => Deed::OtherGuests,
        who => Deed::Left(side, who),
    }
}
