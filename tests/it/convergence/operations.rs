//! What people do, drawn from a seed: the same seed gives the same script, whatever happens.

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::facts::{Field, Values, timed, whole_days};
use super::faults::{self, Trouble};
use super::people::{Answer, DROPPED, OUTSIDERS, Side, USERS, address_of};
use super::series_script;

/// How many processes of the service run at once, on one Postgres, unless a world has more.
pub const PROCESSES: usize = 2;
/// How many people use the calendars of a world, unless it has more.
pub const PEOPLE: usize = 3;
/// How many of the latest events and series people mostly act on, so that edits of the same meet.
const LATEST: (usize, usize) = (8, 4);

/// One action of a person. The index of an existing event is a wish: the action applies to the
/// first possible event from there on.
#[derive(Clone, Debug)]
pub enum Act {
    Create {
        side: Side,
        user: i64,
        guests: Vec<&'static str>,
        values: Values,
    },
    /// By the organizer in Outlook, or by anybody in Odoo.
    Edit {
        side: Side,
        user: i64,
        values: Values,
    },
    /// The same field is changed on both sides before they hear of each other.
    Clash {
        field: Field,
        odoo: String,
        outlook: String,
    },
    /// One guest more, one less, or both at once.
    Guests {
        side: Side,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    },
    /// Another user of Odoo becomes the organizer.
    HandOver {
        user: i64,
    },
    Archive,
    Unarchive,
    Unlink,
    DeleteInOutlook,
    /// A connected guest responds on either side.
    Answer {
        side: Side,
        user: i64,
        answer: Answer,
    },
    /// A guest without a mailbox here responds by mail.
    AnswerByMail {
        address: &'static str,
        answer: Answer,
    },
    /// A guest deletes the event in their own mailbox.
    DropCopy {
        user: i64,
    },
    /// A value that only Outlook has, in the organizer's or a guest's mailbox.
    Categories {
        user: i64,
        category: String,
    },
}

/// How one exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchange {
    Whole,
    /// The service stored it, but its answer is lost. It is the same if Odoo's worker dies before
    /// its commit.
    AnswerLost,
    /// The network repeats the request, and the service answers again.
    Repeated,
    /// People save between the answer and its transaction: the step after the next one applies it.
    Slow,
}

#[derive(Clone, Debug)]
pub enum Step {
    Act {
        wish: usize,
        act: Act,
    },
    Series {
        wish: usize,
        act: series_script::Act,
    },
    Exchange(Exchange),
    Trouble(Trouble),
    /// SIGKILL to one of the processes, and a new process after so many milliseconds.
    Kill {
        which: usize,
        down: u64,
    },
    Pause(u64),
    /// The administrators of both sides make a backup while everything is quiet.
    Backup,
    /// One side is restored from its last backup, if there is one, and the two are paired again.
    Restore(Side),
    /// An administrator resets a user's account, and the user logs in again. With `delete`, the
    /// user's own meetings are deleted from both sides.
    Reset {
        user: i64,
        all: bool,
        delete: bool,
    },
}

/// The endless script of one seed.
pub struct Script {
    rng: StdRng,
    today: NaiveDate,
    events: usize,
    series: usize,
    texts: usize,
    people: usize,
    /// How many of the latest events and series people mostly act on.
    latest: (usize, usize),
}

impl Script {
    pub fn new(seed: u64, today: NaiveDate) -> Self {
        Self::of(seed, today, PEOPLE, LATEST)
    }

    /// The script of so many people, who mostly act on so many of the latest events and series.
    pub fn of(seed: u64, today: NaiveDate, people: usize, latest: (usize, usize)) -> Self {
        Self {
            people,
            latest,
            rng: StdRng::seed_from_u64(seed),
            today,
            events: 0,
            series: 0,
            texts: 0,
        }
    }

    /// Returns the steps until the next quiet: a single act, or many acts and troubles.
    pub fn round(&mut self) -> Vec<Step> {
        match self.rng.random_range(0..20) {
            0 => return vec![Step::Backup],
            1 => return vec![Step::Restore(self.side())],
            2 => {
                return vec![Step::Reset {
                    user: self.user(),
                    all: self.rng.random_bool(0.5),
                    delete: self.rng.random_bool(0.3),
                }];
            }
            _ => {}
        }
        if self.rng.random_bool(0.3) {
            let mut steps = vec![self.act()];
            if self.rng.random_bool(0.2) {
                steps.insert(0, Step::Trouble(faults::draw(&mut self.rng)));
            }
            return steps;
        }
        let mut steps = Vec::new();
        let rough = self.rng.random_bool(0.7);
        for _ in 0..self.rng.random_range(4..=40) {
            steps.push(self.act());
            if self.rng.random_bool(0.35) {
                steps.push(Step::Exchange(self.exchange(rough)));
            }
            if self.rng.random_bool(0.25) {
                steps.push(Step::Pause(self.rng.random_range(1..150)));
            }
            if rough && self.rng.random_bool(0.2) {
                steps.push(Step::Trouble(faults::draw(&mut self.rng)));
            }
            if rough && self.rng.random_bool(0.03) {
                steps.push(Step::Exchange(Exchange::Whole));
                steps.push(Step::Pause(self.rng.random_range(0..120)));
                steps.push(Step::Kill {
                    which: self.rng.random_range(0..PROCESSES),
                    down: self.rng.random_range(0..200),
                });
            }
        }
        steps
    }

    fn exchange(&mut self, rough: bool) -> Exchange {
        if !rough {
            return Exchange::Whole;
        }
        match self.rng.random_range(0..10) {
            0 | 1 => Exchange::AnswerLost,
            2 => Exchange::Repeated,
            3 | 4 => Exchange::Slow,
            _ => Exchange::Whole,
        }
    }

    /// Returns one more act.
    pub fn act(&mut self) -> Step {
        if self.rng.random_bool(0.25) {
            return self.act_on_series();
        }
        let side = self.side();
        let dice = if self.events < 4 {
            0
        } else {
            self.rng.random_range(0..100)
        };
        let act = match dice {
            0..12 => self.create(side),
            12..40 => {
                let fields = self.rng.random_range(1..=2);
                let values = (0..fields)
                    .map(|_| {
                        let field = self.field();
                        (field, self.value(field))
                    })
                    .collect();
                let user = self.user();
                Act::Edit { side, user, values }
            }
            40..52 => {
                let field = self.field();
                Act::Clash {
                    field,
                    odoo: self.value(field),
                    outlook: self.value(field),
                }
            }
            52..66 => {
                let (add, remove) = (self.anybody(), self.anybody());
                let which = self.rng.random_range(0..5);
                Act::Guests {
                    side,
                    add: (which < 3).then_some(add),
                    remove: (which >= 2 && add != remove).then_some(remove),
                }
            }
            66..70 => Act::Archive,
            70..74 => Act::Unarchive,
            74..76 => Act::Unlink,
            76..80 => Act::DeleteInOutlook,
            80..89 => Act::Answer {
                side,
                user: self.user(),
                answer: self.answer(),
            },
            89..92 => Act::AnswerByMail {
                address: self.pick(&OUTSIDERS),
                answer: self.answer(),
            },
            92..95 => Act::DropCopy { user: self.user() },
            95 | 96 => Act::HandOver { user: self.user() },
            _ => {
                self.texts += 1;
                Act::Categories {
                    user: self.user(),
                    category: format!("C{}", self.texts),
                }
            }
        };
        let from = if self.rng.random_bool(0.8) {
            self.events.saturating_sub(self.latest.0)
        } else {
            0
        };
        let wish = self.rng.random_range(from..self.events.max(1));
        Step::Act { wish, act }
    }

    fn act_on_series(&mut self) -> Step {
        self.texts += 1;
        let user = self.user();
        let somebody = [self.somebody(), self.somebody(), self.somebody()];
        let act =
            series_script::Act::draw(&mut self.rng, self.series, self.today, self.texts, user, somebody);
        self.series += usize::from(matches!(
            act,
            series_script::Act::Create { .. } | series_script::Act::Split { .. }
        ));
        let wish = self
            .rng
            .random_range(self.series.saturating_sub(self.latest.1)..self.series.max(1));
        Step::Series { wish, act }
    }

    fn create(&mut self, side: Side) -> Act {
        self.events += 1;
        let user = self.user();
        let mut guests: Vec<&str> = (0..self.rng.random_range(0..=3))
            .map(|_| self.anybody())
            .filter(|guest| *guest != address_of(user))
            .collect();
        guests.sort_unstable();
        guests.dedup();
        let mut values: Values = [Field::Title, Field::Time]
            .into_iter()
            .map(|field| (field, self.value(field)))
            .collect();
        for _ in 0..self.rng.random_range(0..=3) {
            let field = self.field();
            values.entry(field).or_insert_with(|| self.value(field));
        }
        Act::Create {
            side,
            user,
            guests,
            values,
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *from.choose(&mut self.rng).expect("something to choose from")
    }

    fn side(&mut self) -> Side {
        self.pick(&[Side::Odoo, Side::Outlook])
    }

    fn user(&mut self) -> i64 {
        self.pick(&USERS[..self.people]).0
    }

    fn somebody(&mut self) -> &'static str {
        let one = self.rng.random_range(0..self.people + OUTSIDERS.len());
        match USERS[..self.people].get(one) {
            Some((_, address)) => address,
            None => OUTSIDERS[one - self.people],
        }
    }

    fn anybody(&mut self) -> &'static str {
        if self.rng.random_bool(0.1) {
            DROPPED
        } else {
            self.somebody()
        }
    }

    fn answer(&mut self) -> Answer {
        self.pick(&["accepted", "tentative", "declined"])
    }

    fn field(&mut self) -> Field {
        self.pick(&Field::ALL)
    }

    /// Returns a value in Outlook's terms. A text says where it comes from. The mark is put before
    /// a title when the title is used.
    fn value(&mut self, field: Field) -> String {
        self.texts += 1;
        let number = self.texts;
        let empty = self.rng.random_bool(0.15);
        match field {
            Field::Title => format!("t{number}"),
            Field::Body if !empty => format!("b{number}"),
            Field::Location if !empty => format!("L{number}"),
            Field::Body | Field::Location => String::new(),
            Field::Time => {
                let day = self.today + Days::new(self.rng.random_range(3..90));
                if self.rng.random_bool(0.2) {
                    whole_days(day, self.rng.random_range(1..4))
                } else {
                    let start =
                        day.and_time(NaiveTime::MIN) + TimeDelta::minutes(15 * self.rng.random_range(0..96));
                    timed(start, 15 * self.rng.random_range(1..12))
                }
            }
            Field::Privacy => self
                .pick(&["normal", "normal", "private", "confidential", "personal"])
                .to_owned(),
            Field::ShowAs => self
                .pick(&["free", "tentative", "busy", "oof", "workingElsewhere"])
                .to_owned(),
            Field::Reminder if empty => String::new(),
            Field::Reminder => (5 * self.rng.random_range(0..13)).to_string(),
        }
    }
}
