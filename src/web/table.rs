//! The methods that can be called: one table from which dispatch, rights, positional arguments, the
//! access table and the descriptions for clients come.

/// The subject of a method, which decides who may call it with the key of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The database as a whole: Odoo decides who may call.
    Database,
    /// A user whom the arguments name; Odoo has checked that the caller may.
    Named,
    /// A row of the service that the arguments name; Odoo has checked that the caller may. It is
    /// missing in another database.
    Row,
    /// Only the user who calls.
    Caller,
    /// The caller has no key yet.
    Stranger,
}

/// Whose key opens a method, beside the key of the database itself, which the add-on has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keys {
    /// Nobody else's.
    AddOn,
    /// An administrator's.
    Administrator,
    /// A user's too: about this user, or of this user's rows alone.
    User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Reads,
    /// A key for reading alone does not open it.
    Writes,
}

/// A method.
#[derive(Debug)]
pub struct Method {
    pub model: &'static str,
    pub name: &'static str,
    /// The names of its arguments, in their order. As in Odoo, a method of records takes their `ids`
    /// first.
    pub arguments: &'static [&'static str],
    pub about: About,
    pub keys: Keys,
    pub effect: Effect,
    /// What it does, in a sentence.
    pub says: &'static str,
}

impl Method {
    /// Returns `model.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.model, self.name)
    }

    /// Returns whether Odoo has it, too, so that its arguments are those of the table and no others.
    /// The add-on's own methods take more, by their names alone.
    pub fn is_odoos(&self) -> bool {
        !OWN.iter()
            .chain(&OF_ROWS)
            .any(|own| (own.model, own.name) == (self.model, self.name))
    }

    /// Returns whether a call without this argument is refused.
    pub fn needs(&self, argument: &str) -> bool {
        match argument {
            "domain" => matches!(self.name, "search" | "search_count" | "read_group"),
            "fields" => self.name == "default_get",
            "ids" => matches!(
                self.name,
                "read"
                    | "retry"
                    | "execute"
                    | "stop_microsoft_synchronization"
                    | "restart_microsoft_synchronization"
            ),
            "user_id" => self.model == USERS,
            "choice" | "choices" | "invited" | "line_id" | "meeting_id" | "remove" | "send" | "vals_list" => {
                true
            }
            _ => false,
        }
    }

    /// Returns whether it takes the ids of records.
    pub fn is_of_records(&self) -> bool {
        self.arguments.first() == Some(&"ids")
    }
}

/// Returns the method `model.name`.
pub fn find(model: &str, name: &str) -> Option<&'static Method> {
    METHODS
        .iter()
        .flat_map(|some| some.iter())
        .find(|method| method.model == model && method.name == name)
}

/// Returns every method.
pub fn all() -> impl Iterator<Item = &'static Method> {
    METHODS.iter().flat_map(|some| some.iter())
}

/// Returns the models, each once.
pub fn models() -> Vec<&'static str> {
    let mut models: Vec<&'static str> = all().map(|method| method.model).collect();
    models.sort_unstable();
    models.dedup();
    models
}

const fn method(
    model: &'static str,
    name: &'static str,
    arguments: &'static [&'static str],
    about: About,
    keys: Keys,
    effect: Effect,
    says: &'static str,
) -> Method {
    Method {
        model,
        name,
        arguments,
        about,
        keys,
        effect,
        says,
    }
}

const fn fields_get(model: &'static str, keys: Keys) -> Method {
    let arguments = &["allfields", "attributes"];
    let says = "Returns the type of each field.";
    method(
        model,
        "fields_get",
        arguments,
        About::Database,
        keys,
        Effect::Reads,
        says,
    )
}

const fn search(model: &'static str) -> Method {
    let arguments = &["domain", "offset", "limit", "order"];
    let says = "Returns the ids of the rows that a domain lets through.";
    method(
        model,
        "search",
        arguments,
        About::Database,
        Keys::User,
        Effect::Reads,
        says,
    )
}

const fn search_read(model: &'static str) -> Method {
    let arguments = &["domain", "fields", "offset", "limit", "order"];
    let says = "Returns the rows that a domain lets through.";
    method(
        model,
        "search_read",
        arguments,
        About::Database,
        Keys::User,
        Effect::Reads,
        says,
    )
}

/// Returns the methods of a model that is searched.
const fn searched(model: &'static str) -> [Method; 6] {
    use About::Database;
    use Effect::Reads;
    use Keys::User;
    [
        fields_get(model, User),
        method(
            model,
            "read",
            &["ids", "fields", "load"],
            Database,
            User,
            Reads,
            "Returns the rows with these ids.",
        ),
        method(
            model,
            "read_group",
            &[
                "domain",
                "groupby",
                "aggregates",
                "offset",
                "limit",
                "order",
                "tz",
                "week_start",
            ],
            Database,
            User,
            Reads,
            "Returns a list for each group: its values, then its aggregates.",
        ),
        search(model),
        method(
            model,
            "search_count",
            &["domain", "limit"],
            Database,
            User,
            Reads,
            "Returns how many rows a domain lets through.",
        ),
        search_read(model),
    ]
}

use About::{Caller, Database, Named, Row, Stranger};
use Effect::{Reads, Writes};
use Keys::{AddOn, Administrator, User};

const RESET: &str = "microsoft.calendar.account.reset";
const SETTINGS: &str = "res.config.settings";
const BRIDGE: &str = "outlook.bridge";
const USERS: &str = "res.users";

static ACCOUNT: [Method; 6] = searched("outlook.bridge.account");
static JOURNAL: [Method; 6] = searched("outlook.bridge.journal");
static MEETING: [Method; 6] = searched("outlook.bridge.meeting");
static TROUBLE: [Method; 6] = searched("outlook.bridge.trouble");

static METHODS: [&[Method]; 8] = [
    &ACCOUNT, &JOURNAL, &MEETING, &TROUBLE, &OF_ROWS, &OWN, &EVENTS, &STOCK,
];

/// The methods about one event of Odoo.
static EVENTS: [Method; 2] = [
    method(
        "calendar.event",
        "preview",
        &["ids", "key"],
        Row,
        User,
        Reads,
        "Returns what becomes of an event, or of a series by its key, if it waits for a choice, and whom Outlook would mail.",
    ),
    method(
        "calendar.event",
        "answer_preview",
        &["ids", "choice", "invite", "invitations", "key"],
        Row,
        User,
        Writes,
        "Chooses whether Outlook gets an event that waits, and whether it invites the guests: `invitations`, as announced.",
    ),
];

static OF_ROWS: [Method; 8] = [
    method(
        "outlook.bridge.journal",
        "other_value",
        &["line_id", "by_occurrence"],
        Row,
        Administrator,
        Reads,
        "Returns the value that was not kept in a conflict.",
    ),
    method(
        "outlook.bridge.meeting",
        "preview_put_back",
        &["meeting_id"],
        Row,
        Administrator,
        Reads,
        "Returns what putting back a deleted event would do.",
    ),
    method(
        "outlook.bridge.meeting",
        "put_back",
        &["meeting_id", "invited"],
        Row,
        Administrator,
        Writes,
        "Puts a deleted event back on both sides.",
    ),
    method(
        "outlook.bridge.choices",
        "get",
        &["user_id"],
        Named,
        Administrator,
        Reads,
        "Returns what a user, or everybody, has chosen to sync.",
    ),
    method(
        "outlook.bridge.choices",
        "calendars",
        &["user_id"],
        Named,
        Administrator,
        Reads,
        "Returns the further calendars of a user's mailbox, which can be chosen.",
    ),
    method(
        "outlook.bridge.choices",
        "preview",
        &["user_id", "choices"],
        Named,
        Administrator,
        Reads,
        "Returns which events other choices would keep out, or let through.",
    ),
    method(
        "outlook.bridge.choices",
        "set",
        &["user_id", "choices"],
        Named,
        Administrator,
        Writes,
        "Sets what a user, or everybody, syncs.",
    ),
    method(
        "outlook.bridge.trouble",
        "retry",
        &["ids"],
        Database,
        Administrator,
        Writes,
        "Tries again now what is set aside.",
    ),
];

/// The methods under names of their own, which the add-on calls.
static OWN: [Method; 25] = [
    method(BRIDGE, "pair", &[], Stranger, AddOn, Writes, "Pairs a database."),
    method(
        BRIDGE,
        "unpair",
        &[],
        Database,
        AddOn,
        Writes,
        "Ends the pairing.",
    ),
    method(
        BRIDGE,
        "renew_key",
        &[],
        Database,
        AddOn,
        Writes,
        "Makes a new key.",
    ),
    method(
        BRIDGE,
        "stock_links",
        &[],
        Database,
        AddOn,
        Reads,
        "Returns the links for Odoo's built-in sync.",
    ),
    method(
        BRIDGE,
        "signal",
        &[],
        Database,
        AddOn,
        Reads,
        "Says that Odoo has news.",
    ),
    method(
        BRIDGE,
        "notified",
        &[],
        Database,
        AddOn,
        Writes,
        "Passes on notifications of Microsoft.",
    ),
    method(
        BRIDGE,
        "status",
        &["user_id"],
        Database,
        Administrator,
        Reads,
        "Returns the settings, and the state of each account.",
    ),
    method(
        BRIDGE,
        "check",
        &["facts"],
        Database,
        Administrator,
        Reads,
        "Finds out what is wrong.",
    ),
    method(
        BRIDGE,
        "journal",
        &[],
        Database,
        Administrator,
        Reads,
        "Returns lines of the journal, as the add-on shows them.",
    ),
    method(
        SETTINGS,
        "set_values",
        &["ids"],
        Database,
        Administrator,
        Writes,
        "Stores settings: those of a wizard with this id, or those that are named.",
    ),
    method(
        USERS,
        "authorize_url",
        &[],
        Caller,
        AddOn,
        Writes,
        "Begins a login at Microsoft.",
    ),
    method(
        USERS,
        "redeem",
        &[],
        Caller,
        AddOn,
        Writes,
        "Ends a login at Microsoft.",
    ),
    method(
        USERS,
        "switch_mailbox",
        &[],
        Caller,
        AddOn,
        Writes,
        "Connects another mailbox than the user's address.",
    ),
    method(
        USERS,
        "stop",
        &["user_id"],
        Named,
        Administrator,
        Writes,
        "Stops a user's sync.",
    ),
    method(
        USERS,
        "restart",
        &["user_id"],
        Named,
        Administrator,
        Writes,
        "Restarts a user's sync.",
    ),
    method(
        USERS,
        "progress",
        &["user_id"],
        Named,
        Administrator,
        Reads,
        "Returns how far a user's first sync is.",
    ),
    method(
        USERS,
        "removals",
        &["user_id"],
        Named,
        Administrator,
        Reads,
        "Returns the removals that wait for approval.",
    ),
    method(
        USERS,
        "answer_removals",
        &["user_id", "remove"],
        Named,
        Administrator,
        Writes,
        "Approves or declines removals.",
    ),
    method(
        USERS,
        "preview",
        &["user_id"],
        Named,
        Administrator,
        Reads,
        "Returns the events that wait for a choice, and the mails that wait for approval.",
    ),
    method(
        USERS,
        "answer_preview",
        &["user_id", "choice"],
        Named,
        Administrator,
        Writes,
        "Chooses what happens to the events that wait.",
    ),
    method(
        USERS,
        "answer_mails",
        &["user_id", "send"],
        Named,
        Administrator,
        Writes,
        "Approves or declines the mails that wait.",
    ),
    method(
        USERS,
        "see_conflicts",
        &["user_id"],
        Named,
        Administrator,
        Writes,
        "Notes that the user has looked at the conflicts.",
    ),
    method(
        RESET,
        "preview",
        &["ids"],
        Named,
        Administrator,
        Reads,
        "Returns what a reset would delete, and whom it would mail: the one of a wizard with this id, or of `user_id`.",
    ),
    method(
        RESET,
        "reset_account",
        &["ids"],
        Named,
        Administrator,
        Writes,
        "Resets an account: as a wizard with this id says, or as is named.",
    ),
    method(
        "calendar.event",
        "sync",
        &[],
        Database,
        AddOn,
        Writes,
        "Exchanges changes with the add-on.",
    ),
];

/// The methods under the names that they have in Odoo without the add-on.
static STOCK: [Method; 20] = [
    fields_get("ir.model", User),
    search("ir.model"),
    search_read("ir.model"),
    fields_get(USERS, User),
    method(
        USERS,
        "context_get",
        &[],
        Database,
        User,
        Reads,
        "Returns the caller's language, time zone and id.",
    ),
    method(
        USERS,
        "check_calendar_credentials",
        &[],
        Database,
        User,
        Reads,
        "Returns whether an app registration is entered.",
    ),
    method(
        USERS,
        "check_synchronization_status",
        &["ids"],
        Database,
        User,
        Reads,
        "Returns whether a user's sync is active, paused or stopped.",
    ),
    method(
        USERS,
        "stop_microsoft_synchronization",
        &["ids"],
        Named,
        User,
        Writes,
        "Stops a user's sync.",
    ),
    method(
        USERS,
        "restart_microsoft_synchronization",
        &["ids"],
        Named,
        User,
        Writes,
        "Restarts a user's sync.",
    ),
    method(
        USERS,
        "pause_microsoft_synchronization",
        &["ids"],
        Database,
        Administrator,
        Writes,
        "Pauses the sync of the whole database.",
    ),
    method(
        USERS,
        "unpause_microsoft_synchronization",
        &["ids"],
        Database,
        Administrator,
        Writes,
        "Ends the pause of the database.",
    ),
    fields_get(SETTINGS, Administrator),
    method(
        SETTINGS,
        "default_get",
        &["fields"],
        Database,
        Administrator,
        Reads,
        "Returns the present settings.",
    ),
    method(
        SETTINGS,
        "get_values",
        &[],
        Database,
        Administrator,
        Reads,
        "Returns the present settings.",
    ),
    method(
        SETTINGS,
        "create",
        &["vals_list"],
        Database,
        Administrator,
        Writes,
        "Stores settings in a wizard, which `execute` carries out within an hour.",
    ),
    method(
        SETTINGS,
        "execute",
        &["ids"],
        Row,
        Administrator,
        Writes,
        "Carries out what a wizard holds.",
    ),
    fields_get(RESET, Administrator),
    method(
        RESET,
        "default_get",
        &["fields"],
        Database,
        Administrator,
        Reads,
        "Returns the choices that the wizard begins with.",
    ),
    method(
        RESET,
        "create",
        &["vals_list"],
        Database,
        Administrator,
        Writes,
        "Stores the choices of a reset, which `reset_account` carries out within an hour.",
    ),
    method(
        RESET,
        "read",
        &["ids", "fields", "load"],
        Row,
        Administrator,
        Reads,
        "Returns what a wizard holds.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_method_is_there_once_and_has_a_sentence() {
        let names: BTreeSet<String> = all().map(Method::full_name).collect();
        assert_eq!(names.len(), all().count());
        for method in all() {
            assert!(method.says.ends_with('.'), "{}", method.full_name());
            assert!(find(method.model, method.name).is_some());
        }
    }
}
