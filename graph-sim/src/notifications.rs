//! Change notifications: what the mailboxes' changes are worth to those who subscribed, and how it reaches them.
//! Rules: "Receive change notifications through webhooks" and "Change notifications for Outlook resources".

use crate::courier::{Rules, Verdict};
use crate::sim::Sim;
use crate::state::{Entry, Poke, Post, Subscription, World};
use crate::switches::Switches;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many entries a POST has at most. Nobody says how many there are; no switch, as their number means nothing.
const ENTRIES: usize = 100;
/// The first pause before a notification is sent again, doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Sends what has happened since the last time. Called after every request that may have written.
pub(crate) fn deliver(sim: &Arc<Sim>) {
    let (posts, delay) = {
        let mut world = sim.world();
        let delay = Duration::from_millis(world.switches.notification_delay_ms);
        (world.take_posts(), delay)
    };
    for post in posts {
        sim.courier.keep(&post);
        send(sim, post, delay);
    }
}

/// Sends again, after a while, what was sent of late about a mailbox. Returns how many POSTs there are.
pub(crate) fn repeat(sim: &Arc<Sim>, address: &str, after: Duration) -> usize {
    let posts = sim.courier.latest_of(address);
    let count = posts.len();
    for post in posts {
        send(sim, post, after);
    }
    count
}

fn send(sim: &Arc<Sim>, post: Post, delay: Duration) {
    if let Some(contract) = &sim.contract {
        contract.notification(&post.url, &post.body());
    }
    let sim = sim.clone();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        carry(&sim, post).await;
    });
}

/// Sends a POST until it is taken, or time is up.
async fn carry(sim: &Arc<Sim>, mut post: Post) {
    let rules = || Rules::of(&sim.world().switches);
    match sim.courier.verdict(&post.url, &rules()) {
        Verdict::Sent => {}
        Verdict::Delayed(delay) => tokio::time::sleep(delay).await,
        Verdict::Dropped => return lose(sim, &post),
    }
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let rules = rules();
        sim.world().forget_removed(&mut post);
        if post.entries.is_empty() {
            return;
        }
        let is_taken = sim.courier.post(&post.url, &post.body(), &rules).await;
        sim.world().count(&post, is_taken);
        if is_taken {
            return;
        }
        if begun.elapsed() + pause > rules.retries {
            break;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    tracing::warn!(post.url, "a notification was not taken");
    lose(sim, &post);
}

/// Gives a POST up.
fn lose(sim: &Arc<Sim>, post: &Post) {
    {
        let mut world = sim.world();
        for entry in post.entries.iter().filter(|entry| !entry.is_lifecycle) {
            world.lose(&entry.subscription);
        }
    }
    deliver(sim);
}

/// Returns a burst of changes as it is told: creations also as updates, edits up to so many times, in whatever order.
fn as_told(pokes: Vec<Poke>, edits_told: &mut u64, switches: &Switches) -> Vec<Poke> {
    let created: Vec<String> = pokes
        .iter()
        .filter(|p| p.kind == "created")
        .map(|p| p.change_key.clone())
        .collect();
    let mut told = Vec::new();
    for poke in pokes {
        let times = match poke.kind {
            "updated" if created.contains(&poke.change_key) => u64::from(switches.notification_create_twice),
            "updated" => {
                *edits_told += 1;
                1 + *edits_told % switches.notification_edit_times.max(1)
            }
            _ => 1,
        };
        told.extend((0..times).map(|_| poke.clone()));
    }
    if switches.notification_reorder {
        told.reverse();
    }
    told
}

/// Puts entries into POSTs, by their URL, and each subscription's into its own unless they are grouped.
fn posts(entries: Vec<(String, Entry)>, grouped: bool) -> Vec<Post> {
    let mut posts: Vec<Post> = Vec::new();
    let mut open: HashMap<(String, bool, String), usize> = HashMap::new();
    for (url, entry) in entries {
        let whose = if grouped {
            String::new()
        } else {
            entry.subscription.clone()
        };
        let key = (url.clone(), entry.is_lifecycle, whose);
        let at = open.get(&key).and_then(|at| posts.get_mut(*at));
        match at.filter(|post| post.entries.len() < ENTRIES) {
            Some(post) => post.entries.push(entry),
            None => {
                open.insert(key, posts.len());
                let entries = vec![entry];
                posts.push(Post { url, entries });
            }
        }
    }
    posts
}

fn change(s: &Subscription, tenant: Option<&str>, poke: &Poke) -> Entry {
    let id = if s.immutable {
        &poke.immutable_id
    } else {
        &poke.rest_id
    };
    let resource = format!("Users/{}/Events/{id}", s.person);
    s.entry(
        false,
        json!({
            "id": uuid::Uuid::new_v4().to_string(),
            "subscriptionId": s.id,
            "subscriptionExpirationDateTime": s.expires.to_rfc3339(),
            "clientState": s.client_state,
            "changeType": poke.kind,
            "resource": resource,
            "tenantId": tenant,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": resource,
                "@odata.etag": format!("W/\"{}\"", poke.change_key),
                "id": id,
            },
        }),
    )
}

impl World {
    /// Returns what has happened since the last time.
    fn take_posts(&mut self) -> Vec<Post> {
        let mut entries = Vec::new();
        for address in std::mem::take(&mut self.written) {
            let Some(mailbox) = self.mailboxes.get_mut(&address) else {
                continue;
            };
            let pokes = std::mem::take(&mut mailbox.pokes);
            let subscribed = self.subscriptions.of_mailbox(&address);
            if pokes.is_empty() || subscribed.is_empty() {
                continue;
            }
            let pokes = as_told(pokes, &mut self.edits_told, &self.switches);
            for id in subscribed {
                self.tell(&id, &pokes, &mut entries);
            }
        }
        entries.append(&mut self.lifecycle);
        let mut posts = posts(entries, self.switches.notification_grouping);
        if self.switches.notification_duplicates {
            posts.extend(posts.clone());
        }
        posts
    }

    /// Tells one subscription of a mailbox's changes.
    fn tell(&mut self, id: &str, pokes: &[Poke], entries: &mut Vec<(String, Entry)>) {
        let every = self.switches.notification_loss_every;
        let tenant = self.tenant_of(id);
        let by_token = self.switches.subscription_needs_token;
        let Some(s) = self.subscriptions.get_mut(id) else {
            return;
        };
        if !s.is_live(by_token) {
            s.lost += 1;
            return;
        }
        let mut is_lost = false;
        for poke in pokes
            .iter()
            .filter(|p| s.change_types.iter().any(|t| t == p.kind))
        {
            s.due += 1;
            if every > 0 && s.due.is_multiple_of(every) {
                is_lost = true;
            } else {
                entries.push((s.notification_url.clone(), change(s, tenant.as_deref(), poke)));
            }
        }
        if is_lost {
            self.lose(id);
        }
    }

    /// Counts a notification that never comes, which may be told.
    fn lose(&mut self, id: &str) {
        if let Some(s) = self.subscriptions.get_mut(id) {
            s.lost += 1;
        }
        if self.switches.notification_loss_told {
            self.tell_lifecycle(id, "missed");
        }
    }

    /// Takes out of a POST what is for subscriptions that have been removed meanwhile, where that does not come.
    fn forget_removed(&self, post: &mut Post) {
        if !self.switches.notification_outlives_subscription {
            let is_due =
                |entry: &Entry| entry.is_lifecycle || self.subscriptions.get(&entry.subscription).is_some();
            post.entries.retain(is_due);
        }
    }

    /// Counts the entries of a POST as sent, or as failed.
    fn count(&mut self, post: &Post, is_taken: bool) {
        for entry in &post.entries {
            if let Some(s) = self.subscriptions.get_mut(&entry.subscription) {
                let counter = if is_taken { &mut s.sent } else { &mut s.failed };
                *counter += 1;
            }
        }
    }
}
