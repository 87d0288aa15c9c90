//! What a client writes: the properties of the resources and the parameters of the actions, their types, and what a
//! write may do with them.
//!
//! Names, types, enumerations and nullability are those of Microsoft's published schema (the tests compare them
//! with it), the rules are the resource pages' (event, calendar, subscription). What does not fit is refused before
//! anything is made of it, also in read-only properties: Graph reads a body against the schema first.

use crate::recurrence;

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `Edm.…`
    Primitive(&'static str),
    /// Name and members.
    Enumeration(&'static str, &'static [&'static str]),
    Complex(&'static Type),
    Collection(&'static Kind),
    /// To one entity, or to many: resources with paths of their own, written within this one only where the code says
    /// so.
    One(&'static str),
    Many(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    Writable,
    /// A PATCH replaces all items.
    Replaced,
    /// Cannot change after the POST.
    CreateOnly,
    /// Clients send whole resources back: a value is overlooked, as long as it can be read.
    ReadOnly,
}

#[derive(Clone, Copy, Debug)]
pub struct Property {
    pub name: &'static str,
    pub kind: Kind,
    /// Of a collection: whether its items may be null; itself it never is.
    pub nullable: bool,
    pub rule: Rule,
}

impl Property {
    const fn never_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    const fn read_only(mut self) -> Self {
        self.rule = Rule::ReadOnly;
        self
    }

    const fn create_only(mut self) -> Self {
        self.rule = Rule::CreateOnly;
        self
    }

    const fn replaced(mut self) -> Self {
        self.rule = Rule::Replaced;
        self
    }
}

/// An entity type or a complex type, with what it inherits.
#[derive(Debug)]
pub struct Type {
    pub name: &'static str,
    pub properties: &'static [Property],
    /// Taken though the schema does not declare them: `contract::undeclared` says why.
    pub undeclared: &'static [Property],
}

impl Type {
    const fn new(name: &'static str, properties: &'static [Property]) -> Self {
        Self {
            name,
            properties,
            undeclared: &[],
        }
    }

    pub fn find(&self, name: &str) -> Option<&Property> {
        self.properties
            .iter()
            .chain(self.undeclared)
            .find(|p| p.name == name)
    }

    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        self.find(name).is_some_and(|p| p.rule == Rule::ReadOnly)
    }

    /// Whether `$select` takes the name. Of the navigation properties only `exceptionOccurrences` is selected
    /// (event resource page); the others are expanded.
    pub(crate) fn can_be_selected(&self, name: &str) -> bool {
        self.find(name).is_some_and(|p| {
            !matches!(p.kind, Kind::One(_) | Kind::Many(_)) || p.name == "exceptionOccurrences"
        })
    }
}

const fn p(name: &'static str, kind: Kind) -> Property {
    Property {
        name,
        kind,
        nullable: true,
        rule: Rule::Writable,
    }
}

const STRING: Kind = Kind::Primitive("Edm.String");
const BOOLEAN: Kind = Kind::Primitive("Edm.Boolean");
const INT32: Kind = Kind::Primitive("Edm.Int32");
const DOUBLE: Kind = Kind::Primitive("Edm.Double");
const DATE: Kind = Kind::Primitive("Edm.Date");
const INSTANT: Kind = Kind::Primitive("Edm.DateTimeOffset");
const STRINGS: Kind = Kind::Collection(&STRING);

pub(crate) const ATTENDEE_TYPE: &[&str] = &["required", "optional", "resource"];
pub(crate) const BODY_TYPE: &[&str] = &["text", "html"];
pub(crate) const IMPORTANCE: &[&str] = &["low", "normal", "high"];
pub(crate) const SENSITIVITY: &[&str] = &["normal", "personal", "private", "confidential"];
pub(crate) const FREE_BUSY: &[&str] = &["unknown", "free", "tentative", "busy", "oof", "workingElsewhere"];
pub(crate) const MEETING_PROVIDER: &[&str] = &[
    "unknown",
    "skypeForBusiness",
    "skypeForConsumer",
    "teamsForBusiness",
];
pub(crate) const LOCATION_TYPE: &[&str] = &[
    "default",
    "conferenceRoom",
    "homeAddress",
    "businessAddress",
    "geoCoordinates",
    "streetAddress",
    "hotel",
    "restaurant",
    "localBusiness",
    "postalAddress",
];
const UNIQUE_ID_TYPE: &[&str] = &["unknown", "locationStore", "directory", "private", "bing"];
const RESPONSE: &[&str] = &[
    "none",
    "organizer",
    "tentativelyAccepted",
    "accepted",
    "declined",
    "notResponded",
];
const EVENT_TYPE: &[&str] = &["singleInstance", "occurrence", "exception", "seriesMaster"];
const PHONE_TYPE: &[&str] = &[
    "home",
    "business",
    "mobile",
    "other",
    "assistant",
    "homeFax",
    "businessFax",
    "otherFax",
    "pager",
    "radio",
];
const PATTERN_TYPE: &[&str] = &[
    "daily",
    "weekly",
    "absoluteMonthly",
    "relativeMonthly",
    "absoluteYearly",
    "relativeYearly",
];
const RANGE_TYPE: &[&str] = &["endDate", "noEnd", "numbered"];
const WEEK_INDEX: &[&str] = &["first", "second", "third", "fourth", "last"];
const COLOR: &[&str] = &[
    "auto",
    "lightBlue",
    "lightGreen",
    "lightOrange",
    "lightGray",
    "lightYellow",
    "lightTeal",
    "lightPink",
    "lightBrown",
    "lightRed",
    "maxColor",
];

const DAY_OF_WEEK: Kind = Kind::Enumeration("dayOfWeek", &recurrence::DAYS);
const PROVIDER: Kind = Kind::Enumeration("onlineMeetingProviderType", MEETING_PROVIDER);

static TIME: Type = Type::new(
    "dateTimeTimeZone",
    &[p("dateTime", STRING).never_null(), p("timeZone", STRING)],
);

static TIME_SLOT: Type = Type::new(
    "timeSlot",
    &[
        p("start", Kind::Complex(&TIME)).never_null(),
        p("end", Kind::Complex(&TIME)).never_null(),
    ],
);

static BODY: Type = Type::new(
    "itemBody",
    &[
        p("content", STRING),
        p("contentType", Kind::Enumeration("bodyType", BODY_TYPE)),
    ],
);

static EMAIL_ADDRESS: Type = Type::new("emailAddress", &[p("address", STRING), p("name", STRING)]);

static RECIPIENT: Type = Type::new("recipient", &[p("emailAddress", Kind::Complex(&EMAIL_ADDRESS))]);

static RESPONSE_STATUS: Type = Type::new(
    "responseStatus",
    &[
        p("response", Kind::Enumeration("responseType", RESPONSE)),
        p("time", INSTANT),
    ],
);

static ATTENDEE: Type = Type::new(
    "attendee",
    &[
        p("emailAddress", Kind::Complex(&EMAIL_ADDRESS)),
        p("type", Kind::Enumeration("attendeeType", ATTENDEE_TYPE)),
        p("status", Kind::Complex(&RESPONSE_STATUS)).read_only(),
        p("proposedNewTime", Kind::Complex(&TIME_SLOT)).read_only(),
    ],
);

static PHYSICAL_ADDRESS: Type = Type::new(
    "physicalAddress",
    &[
        p("city", STRING),
        p("countryOrRegion", STRING),
        p("postalCode", STRING),
        p("state", STRING),
        p("street", STRING),
    ],
);

static COORDINATES: Type = Type::new(
    "outlookGeoCoordinates",
    &[
        p("accuracy", DOUBLE),
        p("altitude", DOUBLE),
        p("altitudeAccuracy", DOUBLE),
        p("latitude", DOUBLE),
        p("longitude", DOUBLE),
    ],
);

static LOCATION: Type = Type::new(
    "location",
    &[
        p("address", Kind::Complex(&PHYSICAL_ADDRESS)),
        p("coordinates", Kind::Complex(&COORDINATES)),
        p("displayName", STRING),
        p("locationEmailAddress", STRING),
        p("locationType", Kind::Enumeration("locationType", LOCATION_TYPE)),
        p("locationUri", STRING),
        p("uniqueId", STRING),
        p(
            "uniqueIdType",
            Kind::Enumeration("locationUniqueIdType", UNIQUE_ID_TYPE),
        ),
    ],
);

static PHONE: Type = Type::new(
    "phone",
    &[
        p("language", STRING),
        p("number", STRING),
        p("region", STRING),
        p("type", Kind::Enumeration("phoneType", PHONE_TYPE)),
    ],
);

static ONLINE_MEETING: Type = Type::new(
    "onlineMeetingInfo",
    &[
        p("conferenceId", STRING),
        p("joinUrl", STRING),
        p("phones", Kind::Collection(&Kind::Complex(&PHONE))),
        p("quickDial", STRING),
        p("tollFreeNumbers", STRINGS),
        p("tollNumber", STRING),
    ],
);

static PATTERN: Type = Type::new(
    "recurrencePattern",
    &[
        p("dayOfMonth", INT32).never_null(),
        p("daysOfWeek", Kind::Collection(&DAY_OF_WEEK)),
        p("firstDayOfWeek", DAY_OF_WEEK),
        p("index", Kind::Enumeration("weekIndex", WEEK_INDEX)),
        p("interval", INT32).never_null(),
        p("month", INT32).never_null(),
        p("type", Kind::Enumeration("recurrencePatternType", PATTERN_TYPE)),
    ],
);

static RANGE: Type = Type::new(
    "recurrenceRange",
    &[
        p("endDate", DATE),
        p("numberOfOccurrences", INT32).never_null(),
        p("recurrenceTimeZone", STRING),
        p("startDate", DATE),
        p("type", Kind::Enumeration("recurrenceRangeType", RANGE_TYPE)),
    ],
);

static RECURRENCE: Type = Type::new(
    "patternedRecurrence",
    &[
        p("pattern", Kind::Complex(&PATTERN)),
        p("range", Kind::Complex(&RANGE)),
    ],
);

static EVENT_PROPERTIES: &[Property] = &[
    p("id", STRING).never_null().read_only(),
    p("categories", STRINGS).replaced(),
    p("changeKey", STRING).read_only(),
    p("createdDateTime", INSTANT).read_only(),
    p("lastModifiedDateTime", INSTANT).read_only(),
    p("allowNewTimeProposals", BOOLEAN),
    p("attendees", Kind::Collection(&Kind::Complex(&ATTENDEE))).replaced(),
    p("body", Kind::Complex(&BODY)),
    p("bodyPreview", STRING).read_only(),
    p("cancelledOccurrences", STRINGS).never_null().read_only(),
    p("end", Kind::Complex(&TIME)),
    p("hasAttachments", BOOLEAN).read_only(),
    p("hideAttendees", BOOLEAN),
    p("iCalUId", STRING).read_only(),
    p("importance", Kind::Enumeration("importance", IMPORTANCE)),
    p("isAllDay", BOOLEAN),
    p("isCancelled", BOOLEAN).read_only(),
    p("isDraft", BOOLEAN).read_only(),
    // One-way: once it is an online meeting, later values change nothing.
    p("isOnlineMeeting", BOOLEAN),
    p("isOrganizer", BOOLEAN).read_only(),
    p("isReminderOn", BOOLEAN),
    p("location", Kind::Complex(&LOCATION)),
    p("locations", Kind::Collection(&Kind::Complex(&LOCATION))).replaced(),
    p("onlineMeeting", Kind::Complex(&ONLINE_MEETING)).read_only(),
    p("onlineMeetingProvider", PROVIDER),
    p("onlineMeetingUrl", STRING).read_only(),
    p("organizer", Kind::Complex(&RECIPIENT)).read_only(),
    p("originalEndTimeZone", STRING).read_only(),
    p("originalStart", INSTANT).read_only(),
    p("originalStartTimeZone", STRING).read_only(),
    p("recurrence", Kind::Complex(&RECURRENCE)),
    p("reminderMinutesBeforeStart", INT32),
    p("responseRequested", BOOLEAN),
    p("responseStatus", Kind::Complex(&RESPONSE_STATUS)).read_only(),
    p("sensitivity", Kind::Enumeration("sensitivity", SENSITIVITY)),
    p("seriesMasterId", STRING).read_only(),
    p("showAs", Kind::Enumeration("freeBusyStatus", FREE_BUSY)),
    p("start", Kind::Complex(&TIME)),
    p("subject", STRING),
    p("transactionId", STRING).create_only(),
    p("type", Kind::Enumeration("eventType", EVENT_TYPE)).read_only(),
    p("webLink", STRING).read_only(),
    p("attachments", Kind::Many("attachment")),
    p("calendar", Kind::One("calendar")),
    p("exceptionOccurrences", Kind::Many("event")).read_only(),
    p("extensions", Kind::Many("extension")),
    p("instances", Kind::Many("event")),
    p(
        "multiValueExtendedProperties",
        Kind::Many("multiValueLegacyExtendedProperty"),
    ),
    p(
        "singleValueExtendedProperties",
        Kind::Many("singleValueLegacyExtendedProperty"),
    ),
];

pub static EVENT: Type = Type {
    name: "event",
    properties: EVENT_PROPERTIES,
    undeclared: &[
        p("uid", STRING).read_only(),
        p("occurrenceId", STRING).read_only(),
    ],
};

/// With what it inherits from `attachment`.
pub(crate) static FILE_ATTACHMENT: Type = Type::new(
    "fileAttachment",
    &[
        p("id", STRING).never_null().read_only(),
        p("contentType", STRING),
        p("isInline", BOOLEAN).never_null(),
        p("lastModifiedDateTime", INSTANT).read_only(),
        p("name", STRING),
        p("size", INT32).never_null().read_only(),
        p("contentBytes", Kind::Primitive("Edm.Binary")),
        p("contentId", STRING),
        p("contentLocation", STRING),
    ],
);

pub(crate) static SINGLE_VALUE: Type = Type::new(
    "singleValueLegacyExtendedProperty",
    &[p("id", STRING).never_null(), p("value", STRING)],
);

pub(crate) static CALENDAR: Type = Type::new(
    "calendar",
    &[
        p("id", STRING).never_null().read_only(),
        p("allowedOnlineMeetingProviders", Kind::Collection(&PROVIDER)).read_only(),
        p("canEdit", BOOLEAN).read_only(),
        p("canShare", BOOLEAN).read_only(),
        p("canViewPrivateItems", BOOLEAN).read_only(),
        p("changeKey", STRING).read_only(),
        p("color", Kind::Enumeration("calendarColor", COLOR)),
        p("defaultOnlineMeetingProvider", PROVIDER),
        p("hexColor", STRING).read_only(),
        p("isDefaultCalendar", BOOLEAN),
        p("isRemovable", BOOLEAN).read_only(),
        p("isTallyingResponses", BOOLEAN).read_only(),
        p("name", STRING),
        p("owner", Kind::Complex(&EMAIL_ADDRESS)).read_only(),
        p("calendarPermissions", Kind::Many("calendarPermission")),
        p("calendarView", Kind::Many("event")),
        p("events", Kind::Many("event")),
        p(
            "multiValueExtendedProperties",
            Kind::Many("multiValueLegacyExtendedProperty"),
        ),
        p(
            "singleValueExtendedProperties",
            Kind::Many("singleValueLegacyExtendedProperty"),
        ),
    ],
);

pub(crate) static SUBSCRIPTION: Type = Type::new(
    "subscription",
    &[
        p("id", STRING).never_null().read_only(),
        p("applicationId", STRING).read_only(),
        p("changeType", STRING).never_null(),
        p("clientState", STRING),
        p("creatorId", STRING).read_only(),
        p("encryptionCertificate", STRING),
        p("encryptionCertificateId", STRING),
        p("expirationDateTime", INSTANT).never_null(),
        p("includeResourceData", BOOLEAN),
        p("latestSupportedTlsVersion", STRING),
        p("lifecycleNotificationUrl", STRING).create_only(),
        p("notificationQueryOptions", STRING),
        p("notificationUrl", STRING).never_null(),
        p("notificationUrlAppId", STRING),
        p("resource", STRING).never_null(),
    ],
);

const SEND_RESPONSE: Property = p("SendResponse", BOOLEAN);
const COMMENT: Property = p("Comment", STRING);

pub(crate) static ACCEPT: Type = Type::new("accept", &[SEND_RESPONSE, COMMENT]);
/// `decline` and `tentativelyAccept`.
pub(crate) static RESPOND: Type = Type::new(
    "decline",
    &[
        SEND_RESPONSE,
        COMMENT,
        p("ProposedNewTime", Kind::Complex(&TIME_SLOT)),
    ],
);
pub(crate) static CANCEL: Type = Type::new("cancel", &[COMMENT]);
pub(crate) static FORWARD: Type = Type::new(
    "forward",
    &[
        COMMENT,
        p("ToRecipients", Kind::Collection(&Kind::Complex(&RECIPIENT))),
    ],
);
pub(crate) static SNOOZE: Type = Type::new(
    "snoozeReminder",
    &[p("NewReminderTime", Kind::Complex(&TIME)).never_null()],
);
pub(crate) static NO_PARAMETERS: Type = Type::new("dismissReminder", &[]);

const ID_FORMAT: Kind = Kind::Enumeration(
    "exchangeIdFormat",
    &[
        "entryId",
        "ewsId",
        "immutableEntryId",
        "restId",
        "restImmutableEntryId",
    ],
);
pub(crate) static TRANSLATE: Type = Type::new(
    "translateExchangeIds",
    &[
        p("InputIds", STRINGS).never_null(),
        p("SourceIdType", ID_FORMAT).never_null(),
        p("TargetIdType", ID_FORMAT).never_null(),
    ],
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body_check::described;
    use crate::contract::{self, csdl};
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Every type here, with those it is made of.
    fn types() -> Vec<&'static Type> {
        fn of(kind: Kind, out: &mut Vec<&'static Type>) {
            match kind {
                Kind::Complex(one) => add(one, out),
                Kind::Collection(item) => of(*item, out),
                _ => {}
            }
        }
        fn add(one: &'static Type, out: &mut Vec<&'static Type>) {
            if !out.iter().any(|known| known.name == one.name) {
                out.push(one);
                one.properties.iter().for_each(|p| of(p.kind, out));
            }
        }
        let mut out = Vec::new();
        for one in [&EVENT, &SINGLE_VALUE, &CALENDAR, &SUBSCRIPTION] {
            add(one, &mut out);
        }
        out
    }

    #[test]
    fn the_table_is_microsofts_schema() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let Some(file) = contract::schema_for_tests(&root) else {
            return;
        };
        let schema = csdl::Schema::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        for ours in types() {
            let theirs: BTreeSet<_> = schema
                .properties(ours.name)
                .map(|p| {
                    (
                        p.name.clone(),
                        p.kind.to_string(),
                        p.nullable || p.navigation,
                        p.navigation,
                    )
                })
                .collect();
            let shown = |p: &Property| {
                let navigation = matches!(p.kind, Kind::One(_) | Kind::Many(_));
                let kind = described(p.kind).replace("microsoft.graph.", "");
                (p.name.to_owned(), kind, p.nullable, navigation)
            };
            let here: BTreeSet<_> = ours.properties.iter().map(shown).collect();
            assert_eq!(here, theirs, "{}", ours.name);
            for p in ours.undeclared {
                assert!(
                    contract::undeclared::declared_here(ours.name, p.name).is_some(),
                    "{} of {} has no source",
                    p.name,
                    ours.name
                );
            }
            for p in ours.properties {
                let kind = match p.kind {
                    Kind::Collection(of) => *of,
                    kind => kind,
                };
                if let Kind::Enumeration(name, members) = kind {
                    let csdl::Kind::Enumeration(theirs) = schema.kind(name) else {
                        panic!("{name} is no enumeration");
                    };
                    let theirs: BTreeSet<_> = theirs.members.iter().map(String::as_str).collect();
                    assert_eq!(members.iter().copied().collect::<BTreeSet<_>>(), theirs, "{name}");
                }
            }
        }
    }
}
