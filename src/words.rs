//! The service's sentences for people. A sentence is a code with arguments, and [`say`] has the
//! English template of each code. Odoo gets the code and the arguments beside the English text, and
//! says the sentence in its reader's language: `tools/sentences.py` writes the templates to a file
//! of the add-on, where they are translated.

pub mod say;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use chrono::{DateTime, Month, NaiveDate, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A sentence, or a part of one. [`say`] makes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sentence {
    code: Cow<'static, str>,
    args: BTreeMap<Cow<'static, str>, Arg>,
}

/// A template of [`say`].
#[derive(Debug)]
pub struct Template {
    pub code: &'static str,
    /// With `{name}` for an argument. `{name:format}` is how English writes a time, a date (as
    /// `strftime` does) or a number (`,` groups its digits).
    pub english: &'static str,
    pub args: &'static [&'static str],
}

/// An argument of a sentence. Its JSON is what [`docs/EXCHANGE.md`](../docs/EXCHANGE.md) says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Arg {
    Number(i64),
    /// What nobody translates: a title, a name, what Microsoft or Odoo said.
    Text(String),
    List(Vec<Arg>),
    Sentence(Sentence),
    Time(Moment),
    Span(Span),
    Date(Day),
    Weekdays(Weekdays),
    Month(MonthOfYear),
}

/// A time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    time: DateTime<Utc>,
}

/// From a time to another one. English says them in `zone`, which is the event's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    start: DateTime<Utc>,
    #[serde(serialize_with = "write_time", deserialize_with = "read_time")]
    end: DateTime<Utc>,
    zone: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    date: NaiveDate,
}

/// Days of a week, 0 for Monday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekdays {
    weekdays: Vec<u8>,
}

/// A month, 1 for January.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthOfYear {
    month: u32,
}

/// What a person is told: in English and, if it is one of [`say`], as a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub message: String,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "read_if_known"
    )]
    pub words: Option<Sentence>,
}

/// What is wrong, in words: one of [`say`], or those of somebody else, a program or a person, which
/// nobody translates. They are stored as a text, or as [`Said`]. Characters that Postgres refuses
/// are replaced.
#[derive(Clone, Debug)]
pub struct Words(Said);

/// The format of Odoo.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

impl Sentence {
    fn new<const N: usize>(code: &'static str, args: [(&'static str, Arg); N]) -> Self {
        let args = args.into_iter().map(|(name, arg)| (Cow::Borrowed(name), arg));
        Self {
            code: Cow::Borrowed(code),
            args: args.collect(),
        }
    }

    /// Returns the sentence as it is stored and sent.
    pub fn to_json(&self) -> Value {
        // Names and texts alone, which JSON always has a form for.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Display for Sentence {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let known = say::ALL.iter().find(|template| template.code == self.code);
        // Another version of the service has made it. Whoever stores a sentence stores its English
        // text beside it.
        let Some(template) = known else {
            return f.write_str(&self.code);
        };
        let mut rest = template.english;
        while let Some((before, after)) = rest.split_once('{') {
            f.write_str(before)?;
            let (name, then) = after.split_once('}').unwrap_or((after, ""));
            let (name, format) = name.split_once(':').unwrap_or((name, ""));
            if let Some(arg) = self.args.get(name) {
                f.write_str(&arg.in_english(format))?;
            }
            rest = then;
        }
        f.write_str(rest)
    }
}

impl Arg {
    /// Returns it as it is stored and sent, unless its English text says the same in any language.
    pub fn to_json(&self) -> Option<Value> {
        match self {
            Self::Text(_) => None,
            arg => serde_json::to_value(arg).ok(),
        }
    }

    /// Returns it as English says it in a template with this format.
    pub fn in_english(&self, format: &str) -> String {
        match self {
            Self::Number(number) if format == "," => grouped(*number),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| part.in_english(format)).collect();
                parts.join(", ")
            }
            Self::Sentence(sentence) => sentence.to_string(),
            Self::Time(moment) if format.is_empty() => moment.time.format(TIME).to_string(),
            Self::Time(moment) => moment.time.format(format).to_string(),
            Self::Span(span) => span.in_english(),
            Self::Date(day) if format.is_empty() => day.date.to_string(),
            Self::Date(day) => day.date.format(format).to_string(),
            Self::Weekdays(days) => days.in_english(),
            Self::Month(month) => month.in_english().to_owned(),
        }
    }
}

/// Formats `3000` as `3,000`.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Span {
    pub fn new(start: DateTime<Utc>, end: DateTime<Utc>, zone: &str) -> Self {
        let zone = zone.to_owned();
        Self { start, end, zone }
    }

    fn in_english(&self) -> String {
        match self.zone.parse::<Tz>() {
            Ok(tz) => self.in_zone(&tz, &self.zone),
            Err(_) => self.in_zone(&Utc, "UTC"),
        }
    }

    fn in_zone<Z: TimeZone>(&self, zone: &Z, name: &str) -> String
    where
        Z::Offset: Display,
    {
        let (start, end) = (self.start.with_timezone(zone), self.end.with_timezone(zone));
        let until = if start.date_naive() == end.date_naive() {
            end.format("%H:%M").to_string()
        } else {
            end.format("%a %-d %b, %H:%M").to_string()
        };
        format!("{} to {until} ({name})", start.format("%a %-d %b %Y, %H:%M"))
    }
}

impl Weekdays {
    fn in_english(&self) -> String {
        let name = |day: &u8| Weekday::try_from(*day).map_or_else(|_| "?".to_owned(), |day| day.to_string());
        let names: Vec<String> = self.weekdays.iter().map(name).collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => "no day".to_owned(),
        }
    }
}

impl MonthOfYear {
    pub fn new(month: u32) -> Self {
        Self { month }
    }

    fn in_english(&self) -> &'static str {
        let named = u8::try_from(self.month).ok();
        let named = named.and_then(|month| Month::try_from(month).ok());
        named.map_or("?", |month| month.name())
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        let numbers = days.into_iter().map(|day| day.num_days_from_monday());
        Self {
            weekdays: numbers.filter_map(|number| u8::try_from(number).ok()).collect(),
        }
    }
}

macro_rules! from {
    ($($type:ty => $made:expr;)+) => {
        $(impl From<$type> for Arg {
            fn from(value: $type) -> Self {
                $made(value)
            }
        })+
    };
}

from! {
    String => Self::Text;
    &str => |text: &str| Self::Text(text.to_owned());
    &String => |text: &String| Self::Text(text.clone());
    Cow<'_, str> => |text: Cow<'_, str>| Self::Text(text.into_owned());
    i64 => Self::Number;
    i32 => |number: i32| Self::Number(number.into());
    u32 => |number: u32| Self::Number(number.into());
    usize => |number: usize| Self::Number(i64::try_from(number).unwrap_or(i64::MAX));
    Sentence => Self::Sentence;
    Said => |said: Said| said.words.map_or(Self::Text(said.message), Self::Sentence);
    DateTime<Utc> => |time: DateTime<Utc>| Self::Time(Moment { time });
    NaiveDate => |date: NaiveDate| Self::Date(Day { date });
    Span => Self::Span;
    Weekdays => Self::Weekdays;
    MonthOfYear => Self::Month;
}

impl<T: Into<Arg>> From<Vec<T>> for Arg {
    fn from(parts: Vec<T>) -> Self {
        Self::List(parts.into_iter().map(Into::into).collect())
    }
}

impl Said {
    /// Returns what was stored; a sentence that cannot be read is none.
    pub fn stored(message: String, words: Option<Value>) -> Self {
        let words = words.and_then(|words| serde_json::from_value(words).ok());
        Self { message, words }
    }

    /// Returns the sentence as it is stored and sent.
    pub fn to_json(&self) -> Option<Value> {
        self.words.as_ref().map(Sentence::to_json)
    }
}

impl Display for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Sentence> for Said {
    fn from(sentence: Sentence) -> Self {
        Self {
            message: sentence.to_string(),
            words: Some(sentence),
        }
    }
}

/// For what is not one of [`say`]: it stays English.
impl From<String> for Said {
    fn from(message: String) -> Self {
        Self { message, words: None }
    }
}

impl From<&str> for Said {
    fn from(message: &str) -> Self {
        message.to_owned().into()
    }
}

impl Words {
    /// Returns the words of somebody else.
    pub fn new(said: impl Display) -> Self {
        Self(said.to_string().replace('\0', "\u{fffd}").into())
    }

    /// Returns them with their sentence, if there is one.
    pub fn said(&self) -> Said {
        self.0.clone()
    }
}

/// The same sentence may have been worded otherwise when it was stored.
impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0.words, &other.0.words) {
            (Some(own), Some(others)) => own == others,
            _ => self.0.message == other.0.message,
        }
    }
}

impl Eq for Words {}

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Said> for Words {
    fn from(said: Said) -> Self {
        Self(said)
    }
}

impl From<Sentence> for Words {
    fn from(sentence: Sentence) -> Self {
        Self(sentence.into())
    }
}

impl From<&Words> for Arg {
    fn from(words: &Words) -> Self {
        words.said().into()
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.words {
            Some(_) => self.0.serialize(serializer),
            None => serializer.serialize_str(&self.0.message),
        }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stored {
            Text(String),
            Said(Said),
        }
        Ok(Self(match Stored::deserialize(deserializer)? {
            Stored::Text(text) => text.into(),
            Stored::Said(said) => said,
        }))
    }
}

fn write_time<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.format(TIME))
}

fn read_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let naive = chrono::NaiveDateTime::parse_from_str(&text, TIME);
    naive
        .map(|naive| naive.and_utc())
        .map_err(serde::de::Error::custom)
}

/// Reads a sentence that another version may have stored: one that cannot be read is none.
fn read_if_known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sentence>, D::Error> {
    let stored = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(stored).ok())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_template_has_the_arguments_of_its_constructor_and_a_code_of_its_own() {
        let mut codes = BTreeSet::new();
        for template in say::ALL {
            assert!(codes.insert(template.code), "{} is twofold", template.code);
            let parts = template.english.split('{').skip(1);
            // A sentence may name the same argument twice.
            let names: BTreeSet<&str> = parts
                .map(|part| {
                    let (inside, _) = part.split_once('}').expect(template.code);
                    inside.split(':').next().unwrap_or_default()
                })
                .collect();
            let args: BTreeSet<&str> = template.args.iter().copied().collect();
            assert_eq!(names, args, "{}", template.code);
            assert!(
                !template.english.contains('%') || !args.is_empty(),
                "{}",
                template.code
            );
        }
    }

    #[test]
    fn a_sentence_is_stored_with_its_arguments_and_read_again() {
        let at = Utc.with_ymd_and_hms(2026, 11, 24, 13, 0, 0).unwrap();
        let span = Span::new(at, at + chrono::TimeDelta::hours(1), "Europe/Brussels");
        let said = Said::from(say::from_odoo(vec![
            say::title_is_now("Review"),
            say::moved_to(span),
        ]));
        assert_eq!(
            said.message,
            "title is now “Review”, moved to Tue 24 Nov 2026, 14:00 to 15:00 (Europe/Brussels) · from Odoo"
        );
        let stored = serde_json::to_value(&said).unwrap();
        assert_eq!(
            stored["words"],
            json!({"code": "from_odoo", "args": {"what": [
                {"code": "title_is_now", "args": {"value": "Review"}},
                {"code": "moved_to", "args": {"time": {
                    "start": "2026-11-24 13:00:00", "end": "2026-11-24 14:00:00", "zone": "Europe/Brussels"}}},
            ]}})
        );
        assert_eq!(serde_json::from_value::<Said>(stored).unwrap(), said);
    }

    #[test]
    fn words_are_stored_as_a_text_or_with_their_sentence_and_read_again() {
        let text = Words::new("no\0thing");
        assert_eq!(serde_json::to_value(&text).unwrap(), json!("no\u{fffd}thing"));
        let sentence = Words::from(say::choice_private());
        let stored = serde_json::to_value(&sentence).unwrap();
        assert_eq!(
            stored,
            json!({"message": "it is private", "words": {"code": "choice_private", "args": {}}})
        );
        for words in [text, sentence.clone()] {
            let stored = serde_json::to_value(&words).unwrap();
            let read: Words = serde_json::from_value(stored).unwrap();
            assert_eq!((&read, read.said()), (&words, words.said()));
        }
        let worded_otherwise: Words = serde_json::from_value(
            json!({"message": "it is a private one", "words": {"code": "choice_private", "args": {}}}),
        )
        .unwrap();
        assert_eq!(worded_otherwise, sentence);
    }

    #[test]
    fn a_sentence_of_another_version_keeps_its_english() {
        let stored =
            json!({"message": "was unfolded", "words": {"code": "unfolded", "args": {"by": {"x": []}}}});
        let said: Said = serde_json::from_value(stored).unwrap();
        assert_eq!((said.message.as_str(), said.words), ("was unfolded", None));
        let before: Said = serde_json::from_value(json!({"message": "made in Outlook"})).unwrap();
        assert_eq!(before, "made in Outlook".into());
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (412, "412"), (3000, "3,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
