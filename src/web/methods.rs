//! The models and methods that Odoo can call, as jsonrpsee's `RpcModule` dispatches them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{Extensions, RpcModule};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use super::access::{Holder, Opened};
use super::arguments::{self, Reading};
use super::caller::shorten;
use super::faults::{Logged, log_fault};
use super::table::{self, Method};
use crate::admin::choices;
use crate::admin::journal::{self, JournalRequest};
use crate::admin::put_back;
use crate::auth::accounts;
use crate::calendar::event::Address;
use crate::doctor;
use crate::engine::notify_url::{self, Notifications};
use crate::engine::tenants::{Kind, Turn};
use crate::engine::{Engine, now};
use crate::guards::{brake, budget, preview};
use crate::mailbox::notifications;
use crate::migration::moving;
use crate::odoo::OdooError;
use crate::odoo::api::Versions;
use crate::odoo::exchange::State;
use crate::odoo::rpc::Call;
use crate::store::api_keys;
use crate::store::databases::{self, Database};
use crate::store::journal::{Level, note};
use crate::store::leases::{self, Urgency};
use crate::store::put_aside;
use crate::store::seal::{digest, random_secret};
use crate::store::sessions::{self, Session};
use crate::words::{Said, say};
use crate::{admin, exchange, records, reset};

/// The caller, which is put into the call's extensions after the key was checked.
#[derive(Clone, Debug)]
pub struct Caller {
    pub database: Database,
    pub uid: i32,
    pub key: Opened,
}

impl Caller {
    /// Returns the rows that the caller sees.
    fn rows(&self) -> records::Within {
        records::Within {
            database: self.database.id,
            user: self.key.only_user(),
        }
    }
}

/// The caller of `outlook.bridge.pair`, who has a code instead of a key.
#[derive(Clone, Debug)]
struct PairingCaller {
    uuid: String,
    code: SecretString,
}

/// The only method that is called without an API key.
const PAIR: &str = "outlook.bridge.pair";
/// Accepted from every version, so that a database with an unsupported one can unpair: it takes no
/// arguments and answers `true`.
const UNPAIR: &str = "outlook.bridge.unpair";
/// The method that does the most work.
const EXCHANGE: &str = "calendar.event.sync";
/// The method with which the add-on passes on what Microsoft sends.
const NOTIFIED: &str = "outlook.bridge.notified";

/// The methods of a database whose move is not confirmed yet. None of them shows or changes a
/// calendar.
const ALLOWED_WHILE_MOVED: &[&str] = &[
    "outlook.bridge.status",
    "outlook.bridge.check",
    "outlook.bridge.renew_key",
    "outlook.bridge.unpair",
    "res.config.settings.set_values",
    "calendar.event.sync",
];

/// How long a session lasts: as long as Odoo's.
pub const LONGEST_SESSION: TimeDelta = TimeDelta::days(7);

/// The dispatcher.
#[derive(Clone)]
pub struct Methods {
    engine: Engine,
    module: RpcModule<Engine>,
}

/// The code of an error that Odoo has no name of its own for. Callers do not see it.
const BUSY: i32 = 429;

/// Converts an error to the form in which jsonrpsee carries it; [`dispatch`] converts it back.
fn to_object(error: OdooError) -> ErrorObjectOwned {
    let error = log_fault(error);
    let json = error.to_json();
    let code = match error {
        OdooError::Busy(_) => BUSY,
        _ => error.code(),
    };
    ErrorObjectOwned::owned(
        code,
        json["message"].as_str().unwrap_or_default(),
        Some(error.data()),
    )
}

fn read_arguments<T: DeserializeOwned>(params: &Params<'_>) -> Result<T, OdooError> {
    params.parse().map_err(|error: ErrorObjectOwned| {
        let detail = error
            .data()
            .map(|d| d.get().trim_matches('"').to_owned())
            .unwrap_or_default();
        OdooError::user(format!("bad arguments: {detail}"))
    })
}

fn caller(extensions: &Extensions) -> Result<&Caller, OdooError> {
    extensions
        .get::<Caller>()
        .ok_or_else(|| OdooError::AccessDenied("Access Denied".to_owned()))
}

/// Registers `model.method` as a function of caller and arguments.
macro_rules! method {
    ($module:ident, $name:expr, |$engine:ident, $caller:ident, $arguments:ident: $type:ty| $body:expr) => {
        $module.register_async_method($name, |params, $engine, extensions| async move {
            let called: Result<Value, OdooError> = async {
                let $caller = caller(&extensions)?;
                let $arguments: $type = read_arguments(&params)?;
                let answer = $body;
                serde_json::to_value(answer).map_err(|e| OdooError::Internal(e.into()))
            }
            .await;
            called.map_err(to_object)
        })?;
    };
}

/// Registers a method that answers with the database's state after the call.
macro_rules! method_with_state {
    ($module:ident, $name:literal, |$engine:ident, $caller:ident, $arguments:ident: $type:ty| $body:expr) => {
        method!($module, $name, |$engine, $caller, $arguments: $type| {
            $body;
            state(&$engine, $caller).await?
        });
    };
}

/// Registers the methods that search a model as Odoo's are searched.
macro_rules! read_model {
    ($module:ident, $name:literal, $model:expr) => {
        method!(
            $module,
            concat!($name, ".fields_get"),
            |_engine, _caller, _arguments: NoArguments| records::fields_get(&$model)
        );
        method!(
            $module,
            concat!($name, ".search_read"),
            |engine, caller, search: records::Search| {
                let mut conn = engine.store.get().await?;
                $model
                    .search_read(&mut conn, caller.rows(), &search)
                    .await?
            }
        );
        method!(
            $module,
            concat!($name, ".search"),
            |engine, caller, search: records::Search| {
                let mut conn = engine.store.get().await?;
                $model.search(&mut conn, caller.rows(), search).await?
            }
        );
        method!(
            $module,
            concat!($name, ".search_count"),
            |engine, caller, search: records::Search| {
                let mut conn = engine.store.get().await?;
                $model
                    .search_count(&mut conn, caller.rows(), &search)
                    .await?
            }
        );
        method!(
            $module,
            concat!($name, ".read"),
            |engine, caller, read: records::Read| {
                let mut conn = engine.store.get().await?;
                $model.read(&mut conn, caller.rows(), read).await?
            }
        );
        method!(
            $module,
            concat!($name, ".read_group"),
            |engine, caller, groups: records::ReadGroup| {
                let mut conn = engine.store.get().await?;
                $model.read_group(&mut conn, caller.rows(), &groups).await?
            }
        );
    };
}

mod events;
mod stock;

pub(super) use stock::{context, described};

async fn state(engine: &Engine, caller: &Caller) -> Result<State, OdooError> {
    let conn = engine.store.get().await?;
    Ok(admin::state::state(&conn, &engine.settings, caller.database.id, None).await?)
}

/// Sets settings. Only Odoo itself says where it is: the bridge calls it there, and Microsoft's
/// notifications may come by it.
async fn set_values(
    engine: &Engine,
    caller: &Caller,
    request: admin::SettingsRequest,
) -> Result<(), OdooError> {
    if caller.key.holder != Holder::AddOn && request.base_url.is_some() {
        return Err(OdooError::Access(
            "base_url: only Odoo itself says where it is.".to_owned(),
        ));
    }
    admin::set_values(engine, &caller.database, request).await
}

async fn state_of(engine: &Engine, caller: &Caller, user_id: i32) -> Result<State, OdooError> {
    let conn = engine.store.get().await?;
    Ok(admin::state::state_of(&conn, &engine.settings, caller.database.id, user_id).await?)
}

#[derive(Deserialize)]
struct NoArguments {}

/// The keyword arguments of `outlook.bridge.status`.
#[derive(Deserialize)]
struct StatusRequest {
    /// The only user whose account is wanted; all if absent.
    #[serde(default)]
    user_id: Option<i32>,
}

/// The keyword arguments of `outlook.bridge.check`.
#[derive(Deserialize)]
struct CheckRequest {
    /// How Odoo is set up, for the case that the service cannot ask.
    #[serde(default)]
    facts: Option<doctor::OdooFacts>,
}

/// What Microsoft sends to the address for notifications (resource type
/// *changeNotificationCollection*).
#[derive(Deserialize)]
pub(super) struct Notified {
    pub(super) value: Vec<Value>,
}

/// The keyword arguments of `outlook.bridge.journal.other_value`.
#[derive(Deserialize)]
struct OtherValueRequest {
    line_id: i64,
    /// The caller can save values of one occurrence, reminders and repetitions.
    #[serde(default)]
    by_occurrence: bool,
}

/// The keyword arguments of `outlook.bridge.trouble.retry`.
#[derive(Deserialize)]
struct RetryRequest {
    ids: Vec<i64>,
}

/// The keyword arguments of `outlook.bridge.meeting.preview_put_back`.
#[derive(Deserialize)]
struct PutBackPreviewRequest {
    meeting_id: i64,
}

/// The keyword arguments of `outlook.bridge.meeting.put_back`.
#[derive(Deserialize)]
struct PutBackRequest {
    meeting_id: i64,
    /// As the preview has announced them.
    invited: Vec<Address>,
}

#[derive(Deserialize)]
struct UserId {
    user_id: i32,
}

impl Methods {
    /// Registers every method.
    ///
    /// # Errors
    /// When two have the same name, or the table has others.
    pub fn new(engine: Engine) -> anyhow::Result<Self> {
        let mut module = RpcModule::new(engine.clone());
        module.register_async_method(PAIR, |params, engine, extensions| async move {
            let called: Result<Value, OdooError> = async {
                let stranger = extensions
                    .get::<PairingCaller>()
                    .ok_or_else(|| OdooError::AccessDenied("Access Denied".to_owned()))?;
                let code = stranger.code.expose_secret();
                let answer =
                    admin::pairing::pair(&engine, &stranger.uuid, code, read_arguments(&params)?).await?;
                serde_json::to_value(answer).map_err(|e| OdooError::Internal(e.into()))
            }
            .await;
            called.map_err(to_object)
        })?;
        method!(
            module,
            "outlook.bridge.unpair",
            |engine, caller, _arguments: NoArguments| {
                admin::unpair(&engine, &caller.database).await?;
                true
            }
        );
        method!(
            module,
            "outlook.bridge.renew_key",
            |engine, caller, _arguments: NoArguments| { admin::renew_key(&engine, &caller.database).await? }
        );
        method!(
            module,
            "outlook.bridge.stock_links",
            |engine, caller, request: moving::out::LinksRequest| {
                moving::out::links(&engine, &caller.database, &request).await?
            }
        );
        method!(
            module,
            "outlook.bridge.signal",
            |engine, caller, _arguments: NoArguments| {
                engine.poke(caller.database.id, BTreeSet::new());
                true
            }
        );
        method!(
            module,
            "outlook.bridge.notified",
            |engine, caller, request: Notified| {
                json!({"taken": notifications::take(&engine, caller.database.id, request.value).await?})
            }
        );
        method!(
            module,
            "outlook.bridge.status",
            |engine, caller, about: StatusRequest| {
                match about.user_id {
                    Some(user_id) => state_of(&engine, caller, user_id).await?,
                    None => state(&engine, caller).await?,
                }
            }
        );
        method!(
            module,
            "outlook.bridge.check",
            |engine, caller, request: CheckRequest| {
                doctor::check_for_administrators(&engine, &caller.database, request.facts).await?
            }
        );
        method!(
            module,
            "outlook.bridge.journal",
            |engine, caller, request: JournalRequest| {
                let mut conn = engine.store.get().await?;
                journal::read(&mut conn, &caller.database, &request).await?
            }
        );
        read_model!(module, "outlook.bridge.account", records::ACCOUNT);
        read_model!(module, "outlook.bridge.journal", records::JOURNAL);
        read_model!(module, "outlook.bridge.meeting", records::MEETING);
        read_model!(module, "outlook.bridge.trouble", records::TROUBLE);
        method!(
            module,
            "outlook.bridge.journal.other_value",
            |engine, caller, request: OtherValueRequest| {
                let mut conn = engine.store.get().await?;
                let found = journal::other_value(&mut conn, caller.database.id, request.line_id).await?;
                let found = found.ok_or_else(|| OdooError::missing(say::refusal_value_forgotten()))?;
                if found.needs_by_occurrence && !request.by_occurrence {
                    return Err(OdooError::user(
                        "This value is of one occurrence, a reminder or a repetition. The add-on of this Odoo is \
                         too old to save it: upgrade the add-on.",
                    ));
                }
                found
            }
        );
        method!(
            module,
            "outlook.bridge.trouble.retry",
            |engine, caller, request: RetryRequest| {
                let mut conn = engine.store.get().await?;
                let accounts = put_aside::make_these_due(&mut conn, caller.database.id, request.ids).await?;
                leases::wake(&mut conn, accounts.into_iter().collect(), Urgency::Person).await?;
                true
            }
        );
        method!(
            module,
            "outlook.bridge.meeting.preview_put_back",
            |engine, caller, request: PutBackPreviewRequest| {
                let mut conn = engine.store.get().await?;
                put_back::preview(&mut conn, &caller.database, request.meeting_id).await?
            }
        );
        method!(
            module,
            "outlook.bridge.meeting.put_back",
            |engine, caller, request: PutBackRequest| {
                let users =
                    put_back::put_back(&engine, &caller.database, request.meeting_id, &request.invited)
                        .await?;
                engine.poke(caller.database.id, users);
                true
            }
        );
        method!(
            module,
            "outlook.bridge.choices.get",
            |engine, caller, request: choices::GetRequest| {
                let mut conn = engine.store.get().await?;
                choices::get(&mut conn, &caller.database, request.user_id).await?
            }
        );
        method!(
            module,
            "outlook.bridge.choices.calendars",
            |engine, caller, request: choices::CalendarsRequest| {
                choices::calendars(&engine, &caller.database, &request).await?
            }
        );
        method!(
            module,
            "outlook.bridge.choices.preview",
            |engine, caller, request: choices::ChoicesRequest| {
                let mut conn = engine.store.get().await?;
                choices::preview(&mut conn, &caller.database, caller.uid, &request).await?
            }
        );
        method!(
            module,
            "outlook.bridge.choices.set",
            |engine, caller, request: choices::ChoicesRequest| {
                choices::set(&engine, &caller.database, &request).await?;
                true
            }
        );
        method_with_state!(
            module,
            "res.config.settings.set_values",
            |engine, caller, request: admin::SettingsRequest| { set_values(&engine, caller, request).await? }
        );
        method!(
            module,
            "res.users.authorize_url",
            |engine, caller, request: accounts::AuthorizeRequest| {
                accounts::authorize_url(&engine, &caller.database, caller.uid, &request).await?
            }
        );
        method!(
            module,
            "res.users.redeem",
            |engine, caller, request: accounts::RedeemRequest| {
                accounts::redeem(&engine, &caller.database, caller.uid, request).await?
            }
        );
        method!(
            module,
            "res.users.switch_mailbox",
            |engine, caller, request: accounts::SwitchRequest| {
                accounts::switch_mailbox(&engine, &caller.database, caller.uid, &request).await?
            }
        );
        method_with_state!(module, "res.users.stop", |engine, caller, request: UserId| {
            accounts::stop(&engine, &caller.database, request.user_id).await?
        });
        method_with_state!(module, "res.users.restart", |engine, caller, request: UserId| {
            accounts::restart(&engine, &caller.database, request.user_id).await?
        });
        method!(module, "res.users.progress", |engine, caller, request: UserId| {
            admin::progress::progress(&engine, &caller.database, request.user_id).await?
        });
        method!(
            module,
            "res.users.removals",
            |engine, caller, request: brake::RemovalsRequest| {
                brake::removals(&engine, &caller.database, &request).await?
            }
        );
        method_with_state!(
            module,
            "res.users.answer_removals",
            |engine, caller, request: brake::AnswerRequest| {
                brake::answer(&engine, &caller.database, &request).await?
            }
        );
        method!(
            module,
            "res.users.preview",
            |engine, caller, request: preview::PreviewRequest| {
                preview::preview(&engine, &caller.database, &request).await?
            }
        );
        method_with_state!(
            module,
            "res.users.answer_preview",
            |engine, caller, request: preview::AnswerRequest| {
                preview::answer(&engine, &caller.database, &request).await?
            }
        );
        method_with_state!(
            module,
            "res.users.answer_mails",
            |engine, caller, request: budget::AnswerRequest| {
                budget::answer(&engine, &caller.database, &request).await?
            }
        );
        method_with_state!(
            module,
            "res.users.see_conflicts",
            |engine, caller, request: UserId| {
                let mut conn = engine.store.get().await?;
                crate::store::accounts::see_conflicts(&mut conn, caller.database.id, request.user_id).await?;
            }
        );
        method_with_state!(
            module,
            "microsoft.calendar.account.reset.reset_account",
            |engine, caller, request: reset::ResetRequest| {
                reset::reset_account(&engine, &caller.database, &request).await?
            }
        );
        method!(
            module,
            "microsoft.calendar.account.reset.preview",
            |engine, caller, request: reset::preview::PreviewRequest| {
                reset::preview::preview(&engine, &caller.database, &request).await?
            }
        );
        method!(
            module,
            "calendar.event.sync",
            |engine, caller, request: crate::odoo::exchange::SyncRequest| {
                exchange::sync(&engine, &caller.database, request).await?
            }
        );
        events::register(&mut module)?;
        stock::register(&mut module)?;
        let served: BTreeSet<String> = module.method_names().map(str::to_owned).collect();
        let listed: BTreeSet<String> = table::all().map(Method::full_name).collect();
        let different: Vec<&String> = served.symmetric_difference(&listed).collect();
        anyhow::ensure!(
            different.is_empty(),
            "served and listed methods differ: {different:?}"
        );
        Ok(Self { engine, module })
    }

    /// Returns `model.method` of every method.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.module.method_names()
    }

    /// Returns the method that a call names.
    ///
    /// # Errors
    /// `AccessError` if its name begins with an underscore, as in Odoo; `NotFound` if it does not
    /// exist.
    pub fn find(&self, call: &Call) -> Result<&'static Method, OdooError> {
        let name = format!("{}.{}", call.model, call.method);
        if let Some(method) = table::find(&call.model, &call.method) {
            return Ok(method);
        }
        if call.method.starts_with('_') && table::models().contains(&call.model.as_str()) {
            return Err(OdooError::Access(format!(
                "Private methods (such as '{}') cannot be called remotely.",
                shorten(&name)
            )));
        }
        Err(OdooError::NotFound(shorten(&name).to_owned()))
    }

    /// Returns whether the caller has a code instead of a key.
    pub fn needs_no_key(&self, name: &str) -> bool {
        name == PAIR
    }

    /// Carries out a call with a code.
    ///
    /// # Errors
    /// The error that Odoo receives.
    pub async fn pair(&self, call: Call) -> Result<Value, OdooError> {
        let mut methods = self.module.clone();
        methods.extensions_mut().insert(PairingCaller {
            uuid: call.db,
            code: call.key,
        });
        dispatch(&methods, PAIR, call.kwargs).await
    }

    /// Carries out a call with a key.
    ///
    /// # Errors
    /// The error that Odoo receives.
    pub async fn call(&self, key: Opened, mut call: Call, name: &str) -> Result<Value, OdooError> {
        let database = &key.database;
        if key.holder == Holder::AddOn {
            self.check_copy(database, call.database_name.as_deref()).await?;
            self.check_versions(database, call.versions, name).await?;
        }
        let method = self.find(&call)?;
        key.check_uid(call.uid)?;
        key.check(method)?;
        if database.moved.is_some() && !ALLOWED_WHILE_MOVED.contains(&name) {
            return Err(OdooError::user(database.shut_out().unwrap_or_default()));
        }
        let hash = digest(call.key.expose_secret());
        if database.next_key_hash.as_ref() == Some(&hash) {
            let mut conn = self.engine.store.at_the_door().await?;
            databases::take_key(&mut conn, database.id, &hash).await?;
        }
        let kind = match name {
            _ if key.holder != Holder::AddOn => Kind::Person,
            EXCHANGE => Kind::Exchange,
            NOTIFIED => Kind::Notification,
            _ => Kind::Other,
        };
        let _turn = self.engine.tenants.enter(database.id, kind).await?;
        let reading = match key.holder {
            Holder::AddOn => Reading::AddOns,
            Holder::Administrator | Holder::User(_) => Reading::Odoos,
        };
        let mut kwargs = arguments::named(method, std::mem::take(&mut call.args), call.kwargs, reading)?;
        let is_of_wizard = stock::is_of_wizard(method, &kwargs);
        if is_of_wizard {
            kwargs = stock::open_wizard(&self.engine, database, method, &kwargs).await?;
        }
        let mut methods = self.module.clone();
        methods.extensions_mut().insert(Caller {
            database: key.database.clone(),
            uid: call.uid,
            key,
        });
        let answer = dispatch(&methods, name, kwargs).await?;
        // As in Odoo, these methods of a wizard return nothing.
        let is_silent = is_of_wizard && matches!(method.name, "set_values" | "reset_account");
        Ok(if is_silent { Value::Null } else { answer })
    }

    /// Takes notifications that Microsoft sent to this service about a database's mailboxes. Returns
    /// how many were genuine.
    ///
    /// # Errors
    /// When Postgres fails, or too many are in progress.
    pub async fn notified(&self, database: &Database, value: Vec<Value>) -> Result<usize, OdooError> {
        let _turn = self.engine.tenants.enter(database.id, Kind::Notification).await?;
        Ok(notifications::take(&self.engine, database.id, value).await?)
    }

    /// Returns the database whose address for notifications has this secret.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn database_of_address(&self, uuid: &str, secret: &str) -> anyhow::Result<Option<Database>> {
        if !matches!(self.engine.notifications, Notifications::Own(_)) {
            return Ok(None);
        }
        let mut conn = self.engine.store.at_the_door().await?;
        let Some(database) = databases::by_uuid(&mut conn, uuid).await? else {
            return Ok(None);
        };
        let own = notify_url::secret(&database.poke_key(&self.engine.sealer)?)?;
        let is_same: bool = own.as_bytes().ct_eq(secret.as_bytes()).into();
        Ok((is_same && database.key_hash.is_some()).then_some(database))
    }

    /// Waits until this database may send a large body.
    ///
    /// # Errors
    /// `UserError` when its turn does not come.
    pub async fn take_large_turn(&self, database: &Database) -> Result<Turn, OdooError> {
        self.engine.tenants.enter(database.id, Kind::Large).await
    }

    /// Returns the hashes of all valid keys.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn all_key_hashes(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut conn = self.engine.store.at_the_door().await?;
        let mut hashes = databases::key_hashes(&mut conn).await?;
        hashes.extend(api_keys::hashes(&mut conn, now()).await?);
        hashes.extend(sessions::hashes(&mut conn, now()).await?);
        Ok(hashes)
    }

    /// Returns the key with this hash, if the call names its database.
    ///
    /// # Errors
    /// `AccessDenied` if it does not.
    pub async fn open(&self, database: &str, key_hash: &[u8]) -> Result<Opened, OdooError> {
        let mut conn = self.engine.store.at_the_door().await?;
        let key = Opened::find(&mut conn, key_hash, now()).await?;
        key.filter(|key| key.is_called(database)).ok_or_else(|| {
            OdooError::AccessDenied(
                "The Outlook bridge does not know this database or its key. Pair it again in Settings, Calendar."
                    .to_owned(),
            )
        })
    }

    /// Returns whether a login is that of a key.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn is_login(&self, key: &Opened, login: &str) -> Result<bool, OdooError> {
        let mut conn = self.engine.store.at_the_door().await?;
        Ok(key.is_login(&mut conn, login).await?)
    }

    /// Begins a session with a key; returns its token.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn begin_session(
        &self,
        key: &Opened,
        key_hash: &[u8],
        login: &str,
    ) -> Result<String, OdooError> {
        let token = random_secret();
        let session = Session {
            token_hash: digest(&token),
            key_hash: key_hash.to_vec(),
            database_id: key.database.id,
            login: login.to_owned(),
            expires_at: now() + LONGEST_SESSION,
        };
        let mut conn = self.engine.store.at_the_door().await?;
        sessions::start(&mut conn, &session, now()).await?;
        Ok(token)
    }

    /// Returns a session and its key, if both are valid.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn session(&self, token_hash: &[u8]) -> anyhow::Result<Option<(Session, Opened)>> {
        let mut conn = self.engine.store.at_the_door().await?;
        let Some(session) = sessions::find(&mut conn, token_hash, now()).await? else {
            return Ok(None);
        };
        let key = Opened::find(&mut conn, &session.key_hash, now()).await?;
        Ok(key.map(|key| (session, key)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn end_session(&self, token_hash: &[u8]) -> Result<(), OdooError> {
        let mut conn = self.engine.store.at_the_door().await?;
        sessions::end(&mut conn, token_hash).await?;
        Ok(())
    }

    /// Stores which versions the add-on understands, so that `outlook-bridge status` can report
    /// that there is none in common.
    async fn check_versions(
        &self,
        database: &Database,
        versions: Versions,
        name: &str,
    ) -> Result<(), OdooError> {
        let problem = versions.problem();
        if database.versions() != Some(versions) {
            let mut conn = self.engine.store.at_the_door().await?;
            databases::note_versions(&mut conn, database.id, versions).await?;
            if let Some(problem) = &problem {
                tracing::warn!(database.uuid = %database.uuid, add_on = %versions, "no version in common");
                note(&mut conn, database, None, Level::Warning, problem.clone()).await?;
            }
        }
        match problem {
            Some(problem) if name != UNPAIR => Err(OdooError::user(problem)),
            _ => Ok(()),
        }
    }

    /// Refuses a copy of a database, which has the original's key and another name.
    async fn check_copy(&self, database: &Database, called: Option<&str>) -> Result<(), OdooError> {
        let Some(called) = called.filter(|called| *called != database.name) else {
            return Ok(());
        };
        let mut conn = self.engine.store.at_the_door().await?;
        admin::note_copy(&mut conn, database, shorten(called)).await?;
        Err(OdooError::AccessDenied(format!(
            "This Odoo database is called “{}”, and the one that was paired with the Outlook bridge “{}”: it is a copy, \
             or was renamed. Nothing is synced from here. If this is the one that shall sync, pair it again with a new \
             code; else press Unpair.",
            shorten(called),
            database.name
        )))
    }
}

async fn dispatch(
    methods: &RpcModule<Engine>,
    name: &str,
    kwargs: Map<String, Value>,
) -> Result<Value, OdooError> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": kwargs}).to_string();
    let (answer, _) = methods
        .raw_json_request(&request, 1)
        .await
        .map_err(|error| OdooError::Internal(anyhow::anyhow!("dispatch: {error}")))?;
    let answer: Value = serde_json::from_str(answer.get()).map_err(|e| OdooError::Internal(e.into()))?;
    read_answer(answer)
}

fn read_answer(mut answer: Value) -> Result<Value, OdooError> {
    if let Some(result) = answer.get_mut("result") {
        return Ok(result.take());
    }
    let data = &answer["error"]["data"];
    let message = data["message"].as_str().unwrap_or_default().to_owned();
    let said = Said::stored(message.clone(), data["context"].get("words").cloned());
    Err(match data["name"].as_str() {
        _ if answer["error"]["code"] == BUSY => OdooError::Busy(said),
        Some("odoo.exceptions.UserError") => OdooError::User(said),
        Some("odoo.exceptions.AccessDenied") => OdooError::AccessDenied(message),
        Some("odoo.exceptions.AccessError") => OdooError::Access(message),
        Some("odoo.exceptions.MissingError") => OdooError::Missing(said),
        Some("werkzeug.exceptions.NotFound") => OdooError::NotFound(message),
        _ => OdooError::Internal(Logged.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_dispatcher() {
        for error in [
            OdooError::user("Do this."),
            OdooError::user(say::refusal_taken("ann@contoso.com")),
            OdooError::Busy(say::refusal_busy().into()),
            OdooError::AccessDenied("No.".to_owned()),
            OdooError::Access("No.".to_owned()),
            OdooError::missing(say::refusal_value_forgotten()),
            OdooError::NotFound("a.method".to_owned()),
            OdooError::Internal(anyhow::anyhow!("password=hunter2")),
        ] {
            let (status, data) = (error.http_status(), error.data());
            let carried = read_answer(json!({"error": to_object(error)})).unwrap_err();
            assert_eq!(
                (carried.http_status(), carried.data()["name"].clone()),
                (status, data["name"].clone())
            );
            assert_eq!(carried.data()["context"], data["context"]);
        }
    }
}
