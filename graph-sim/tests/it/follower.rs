//! A client that knows a calendar from its delta alone, and obeys the rules for that: no order, repeats, empty pages;
//! `@removed` is a reason to look, a row of a series a reason to read the series again, and a dead token to start anew.

use crate::game::{FROM, Game, TO};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub struct Follower {
    who: usize,
    prefer: String,
    link: String,
    round: Vec<Value>,
    singles: BTreeMap<String, Value>,
    /// Occurrences by the id of their master.
    series: BTreeMap<String, BTreeMap<String, Value>>,
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

impl Follower {
    pub fn new(who: usize, immutable: bool, page: Option<usize>) -> Self {
        let mut prefer = vec!["outlook.timezone=\"Europe/Brussels\"".to_owned()];
        if immutable {
            prefer.push("IdType=\"ImmutableId\"".into());
        }
        if let Some(size) = page {
            prefer.push(format!("odata.maxpagesize={size}"));
        }
        Self {
            who,
            prefer: prefer.join(", "),
            link: Self::first(),
            round: Vec::new(),
            singles: BTreeMap::new(),
            series: BTreeMap::new(),
        }
    }

    fn first() -> String {
        format!("/me/calendarView/delta?startDateTime={FROM}&endDateTime={TO}")
    }

    /// Reads one page; `true` when it was the last of its round.
    pub async fn page(&mut self, game: &Game) -> bool {
        let reply = game.ask(self.who, "GET", &self.link, &self.prefer, None).await;
        if reply.status != 200 {
            assert!(matches!(reply.status, 400 | 410), "{} for a delta", reply.status);
            assert_ne!(self.link, Self::first());
            *self = Self {
                prefer: std::mem::take(&mut self.prefer),
                ..Self::new(self.who, false, None)
            };
            return false;
        }
        let body = reply.body.unwrap();
        self.round
            .extend(body["value"].as_array().unwrap().iter().cloned());
        let done = body.get("@odata.deltaLink").is_some();
        assert_ne!(done, body.get("@odata.nextLink").is_some());
        let link = &body[if done {
            "@odata.deltaLink"
        } else {
            "@odata.nextLink"
        }];
        link.as_str().unwrap().clone_into(&mut self.link);
        if done {
            self.digest(game).await;
        }
        done
    }

    /// Reads on until the round ends.
    pub async fn round(&mut self, game: &Game) {
        for _ in 0..2000 {
            if self.page(game).await {
                return;
            }
        }
        panic!("a round without an end");
    }

    async fn digest(&mut self, game: &Game) {
        let mut doubtful = BTreeSet::new();
        let mut masters = BTreeSet::new();
        for mut row in std::mem::take(&mut self.round) {
            row.as_object_mut().unwrap().remove("@odata.type");
            if row.get("@removed").is_some() {
                doubtful.insert(id(&row));
                continue;
            }
            match row["type"].as_str().unwrap() {
                "singleInstance" => {
                    self.series.remove(&id(&row));
                    self.singles.insert(id(&row), row);
                }
                "seriesMaster" => {
                    masters.insert(id(&row));
                }
                _ => {
                    masters.insert(row["seriesMasterId"].as_str().unwrap().to_owned());
                }
            }
        }
        for gone in doubtful {
            if self.singles.remove(&gone).is_some() || self.series.contains_key(&gone) {
                self.look(game, &gone).await;
            } else if let Some((master, _)) = self.series.iter().find(|(_, all)| all.contains_key(&gone)) {
                masters.insert(master.clone());
            }
        }
        for master in masters {
            self.look(game, &master).await;
        }
    }

    /// Asks for an event, single or series, what it is now.
    async fn look(&mut self, game: &Game, id: &str) {
        self.singles.remove(id);
        self.series.remove(id);
        let url = format!("/me/calendar/events/{id}");
        let reply = game.ask(self.who, "GET", &url, &self.prefer, None).await;
        if reply.status == 404 {
            return;
        }
        let mut event = reply.body.unwrap();
        assert_eq!(reply.status, 200, "{event}");
        if event["type"] == "seriesMaster" {
            let all = list(game, self.who, &format!("{url}/instances"), &self.prefer).await;
            self.series.insert(id.to_owned(), all);
        } else {
            // What only an answer about one event has.
            let single = |name: &str| name == "@odata.context" || name.starts_with("calendar@odata.");
            event.as_object_mut().unwrap().retain(|name, _| !single(name));
            let path = format!(
                "/me/calendarView?$filter=iCalUId eq '{}'",
                event["iCalUId"].as_str().unwrap()
            );
            if list(game, self.who, &path, &self.prefer).await.contains_key(id) {
                self.singles.insert(id.to_owned(), event);
            }
        }
    }

    /// The calendar as this client knows it.
    pub fn calendar(&self) -> BTreeMap<String, Value> {
        let mut all = self.singles.clone();
        for series in self.series.values() {
            all.extend(series.clone());
        }
        all
    }

    /// The calendar as it is.
    pub async fn listed(&self, game: &Game) -> BTreeMap<String, Value> {
        list(game, self.who, "/me/calendarView?", &self.prefer).await
    }
}

/// All pages of a collection over the window, by id.
async fn list(game: &Game, who: usize, path: &str, prefer: &str) -> BTreeMap<String, Value> {
    let joint = if path.ends_with('?') {
        ""
    } else if path.contains('?') {
        "&"
    } else {
        "?"
    };
    let mut link = format!("{path}{joint}startDateTime={FROM}&endDateTime={TO}&$top=7");
    let mut all = BTreeMap::new();
    loop {
        let reply = game.ask(who, "GET", &link, prefer, None).await;
        let body = reply.body.unwrap();
        assert_eq!(reply.status, 200, "{link}: {body}");
        for row in body["value"].as_array().unwrap() {
            let twice = all.insert(id(row), row.clone());
            assert!(twice.is_none(), "{} is listed twice", id(row));
        }
        match body["@odata.nextLink"].as_str() {
            Some(next) => next.clone_into(&mut link),
            None => return all,
        }
    }
}
