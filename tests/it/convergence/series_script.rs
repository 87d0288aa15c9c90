//! What people do to series, drawn from a seed, in the terms of each side.

use chrono::{Days, NaiveDate, NaiveDateTime};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::people::{Side, address_of};

#[derive(Clone, Copy, Debug)]
pub enum Every {
    Day,
    Week,
    Month,
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Count(usize),
    /// How many days after the start the series ends.
    Until(u64),
    Never,
}

/// One action on a series. `number` counts the occurrences that exist.
#[derive(Clone, Debug)]
pub enum Act {
    Create {
        side: Side,
        user: i64,
        every: Every,
        end: End,
        /// In the time zone of Brussels.
        start: NaiveDateTime,
        guests: Vec<&'static str>,
    },
    /// All occurrences.
    Edit {
        side: Side,
        title: Option<String>,
        place: Option<String>,
    },
    /// One occurrence.
    EditOne {
        side: Side,
        number: usize,
        title: Option<String>,
        place: Option<String>,
    },
    /// One occurrence, within its day.
    MoveOne {
        side: Side,
        number: usize,
        hour: u32,
    },
    TakeOut {
        side: Side,
        number: usize,
    },
    /// All occurrences move to another hour.
    Shift {
        side: Side,
        hour: u32,
    },
    Guests {
        side: Side,
        add: Option<&'static str>,
        remove: Option<&'static str>,
    },
    End {
        side: Side,
        end: End,
    },
    /// This and following, which get their own title.
    Split {
        side: Side,
        number: usize,
    },
    /// The series is archived in Odoo, or deleted in Outlook.
    Remove {
        side: Side,
    },
}

impl Act {
    pub fn draw(
        rng: &mut StdRng,
        made: usize,
        today: NaiveDate,
        text: usize,
        user: i64,
        somebody: [&'static str; 3],
    ) -> Self {
        let side = if rng.random_bool(0.5) {
            Side::Odoo
        } else {
            Side::Outlook
        };
        let number = rng.random_range(0..8);
        let words = |rng: &mut StdRng, letter: char| rng.random_bool(0.6).then(|| format!("{letter}{text}"));
        match if made < 2 { 0 } else { rng.random_range(0..40) } {
            0..5 => {
                let day = today + Days::new(rng.random_range(3..25));
                let mut guests: Vec<&str> = somebody[..rng.random_range(0..=3)].to_vec();
                guests.retain(|guest| *guest != address_of(user));
                guests.sort_unstable();
                guests.dedup();
                Self::Create {
                    side,
                    user,
                    every: *[Every::Day, Every::Week, Every::Week, Every::Month]
                        .choose(rng)
                        .expect("one"),
                    end: End::draw(rng),
                    start: day.and_hms_opt(rng.random_range(5..20), 0, 0).expect("an hour"),
                    guests,
                }
            }
            5..12 => Self::Edit {
                side,
                title: Some(format!("t{text}")),
                place: words(rng, 'L'),
            },
            12..18 => Self::EditOne {
                side,
                number,
                title: words(rng, 't'),
                place: Some(format!("L{text}")),
            },
            18..22 => Self::MoveOne {
                side,
                number,
                hour: rng.random_range(5..20),
            },
            22..26 => Self::TakeOut { side, number },
            26..28 => Self::Shift {
                side,
                hour: rng.random_range(5..20),
            },
            28..33 => {
                let which = rng.random_range(0..5);
                Self::Guests {
                    side,
                    add: (which < 3).then_some(somebody[0]),
                    remove: (which >= 2 && somebody[0] != somebody[1]).then_some(somebody[1]),
                }
            }
            33..36 => Self::End {
                side,
                end: End::draw(rng),
            },
            36..38 => Self::Split {
                side,
                number: number + 1,
            },
            _ => Self::Remove { side },
        }
    }
}

impl End {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..5) {
            0 => Self::Never,
            1 | 2 => Self::Until(rng.random_range(10..90)),
            _ => Self::Count(rng.random_range(3..12)),
        }
    }

    pub(super) fn in_odoo(self, start: NaiveDate) -> Value {
        match self {
            Self::Never => json!({"end_type": "forever", "until": null}),
            Self::Count(count) => json!({"end_type": "count", "count": count, "until": null}),
            Self::Until(days) => json!({"end_type": "end_date", "until": start + Days::new(days)}),
        }
    }

    pub(super) fn in_outlook(self, start: NaiveDate) -> Value {
        match self {
            Self::Never => json!({"type": "noEnd", "startDate": start}),
            Self::Count(count) => {
                json!({"type": "numbered", "startDate": start, "numberOfOccurrences": count})
            }
            Self::Until(days) => {
                json!({"type": "endDate", "startDate": start, "endDate": start + Days::new(days)})
            }
        }
    }
}

impl Every {
    pub(super) fn in_odoo(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
        }
    }

    pub(super) fn in_outlook(self, start: NaiveDate) -> Value {
        match self {
            Self::Day => json!({"type": "daily", "interval": 1}),
            Self::Week => {
                let day = start.format("%A").to_string().to_lowercase();
                json!({"type": "weekly", "interval": 1, "daysOfWeek": [day], "firstDayOfWeek": "monday"})
            }
            Self::Month => {
                json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": chrono::Datelike::day(&start)})
            }
        }
    }
}
