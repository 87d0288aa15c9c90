//! `graph-sim ctl`: the control API of a running simulator on the command line.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Parser, Subcommand};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Act as people in Outlook, break things and look at what happened, in a running simulator.
#[derive(Debug, Parser)]
pub struct Ctl {
    /// Where it listens.
    #[arg(long, env = "GRAPH_SIM_URL", default_value = "http://127.0.0.1:8471")]
    url: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The people, their calendars, how many events they have.
    Mailboxes,
    /// Create the events of a JSON file (a list of Graph events, or `{"value": [...]}`) in a mailbox, as its owner would.
    Load { address: String, file: PathBuf },
    /// The events of a mailbox, or one of them, with all there is to know.
    Events { address: String, id: Option<String> },
    /// What Outlook would have sent, and which request made it.
    Mails(Mails),
    /// The requests that came.
    Requests(Requests),
    /// The faults there are, with those that are given as JSON added.
    Fault {
        faults: Vec<String>,
        /// First forget those there are.
        #[arg(long)]
        clear: bool,
    },
    /// The switches, with those given as NAME=VALUE set.
    Switch {
        settings: Vec<String>,
        /// First restore the defaults.
        #[arg(long)]
        defaults: bool,
    },
    /// Do something as a person in Outlook.
    Act {
        address: String,
        #[command(subcommand)]
        act: Act,
    },
    /// Change a person: JSON of `PATCH people/{address}`.
    Person { address: String, change: String },
    /// Change a mailbox: JSON of `PATCH mailboxes/{address}`.
    Mailbox { address: String, change: String },
    /// Write the whole state into a file.
    Save { file: PathBuf },
    /// Take the whole state from a file.
    Restore { file: PathBuf },
    /// Back to the demo.
    Reset,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Create an event from Graph's JSON.
    Create {
        event: String,
    },
    /// Change an event or an occurrence.
    Patch {
        id: String,
        change: String,
    },
    Delete {
        id: String,
    },
    /// `accept`, `tentativelyAccept` or `decline`.
    Respond {
        id: String,
        response: String,
        #[arg(long)]
        comment: Option<String>,
        /// Tell the organizer nothing.
        #[arg(long)]
        silent: bool,
    },
    Cancel {
        id: String,
        #[arg(long)]
        comment: Option<String>,
    },
    /// Attach a file, or with `--content-id` a picture that the body shows as `cid:…`, and send an update.
    Attach {
        id: String,
        file: PathBuf,
        #[arg(long)]
        content_id: Option<String>,
    },
    /// Into the calendar of that id.
    Move {
        id: String,
        calendar: String,
    },
}

#[derive(Debug, Args)]
struct Mails {
    #[arg(long)]
    to: Option<String>,
    #[arg(long)]
    from: Option<String>,
    /// `invitation`, `update`, `cancellation` or `response`.
    #[arg(long)]
    kind: Option<String>,
    #[arg(long)]
    subject: Option<String>,
    /// Only those after the mail of this number.
    #[arg(long)]
    after: Option<u64>,
    /// Forget them instead.
    #[arg(long)]
    clear: bool,
}

#[derive(Debug, Args)]
struct Requests {
    #[arg(long)]
    mailbox: Option<String>,
    #[arg(long)]
    method: Option<String>,
    /// A part of path and query.
    #[arg(long)]
    path: Option<String>,
    /// Forget them instead.
    #[arg(long)]
    clear: bool,
}

/// Why a command of `graph-sim ctl` failed.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    #[error("{0} is not a URL of the simulator")]
    Url(String),
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("{}: {source}", .file.display())]
    File { file: PathBuf, source: std::io::Error },
    #[error("{0} is not JSON: {1}")]
    Json(String, serde_json::Error),
    #[error("{} holds no list of events", .0.display())]
    Events(PathBuf),
    #[error("'{0}' is not NAME=VALUE")]
    Setting(String),
    #[error("{method} {path}: {status} {message}")]
    Refused {
        method: Method,
        path: String,
        status: u16,
        message: String,
    },
}

fn json_of(text: &str) -> Result<Value, CtlError> {
    serde_json::from_str(text).map_err(|e| CtlError::Json(text.to_owned(), e))
}

fn read(file: &Path) -> Result<Value, CtlError> {
    let text = std::fs::read_to_string(file).map_err(|source| CtlError::File {
        file: file.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|e| CtlError::Json(file.display().to_string(), e))
}

struct Api {
    http: Client,
    base: url::Url,
}

type Answered = Result<Value, CtlError>;

impl Api {
    /// A request to the path of these segments under `/sim/api`; ids may hold any character.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["sim", "api"]).extend(path);
        }
        self.http.request(method, url)
    }

    async fn send(&self, request: RequestBuilder) -> Answered {
        let request = request.build()?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = self.http.execute(request).await?;
        let status = response.status();
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let said = body["error"]["message"].as_str().unwrap_or(&text);
        Err(CtlError::Refused {
            method,
            path,
            status: status.as_u16(),
            message: said.to_owned(),
        })
    }

    async fn get(&self, path: &[&str], query: &[(&str, Option<String>)]) -> Answered {
        let given: Vec<(&str, &str)> = query
            .iter()
            .filter_map(|(name, value)| Some((*name, value.as_deref()?)))
            .collect();
        self.send(self.request(Method::GET, path).query(&given)).await
    }

    async fn write(&self, method: Method, path: &[&str], body: &Value) -> Answered {
        self.send(self.request(method, path).json(body)).await
    }

    async fn delete(&self, path: &[&str]) -> Answered {
        self.send(self.request(Method::DELETE, path)).await
    }

    async fn load(&self, address: &str, file: &Path) -> Answered {
        let given = read(file)?;
        let list = given.as_array().or_else(|| given["value"].as_array());
        let list = list.ok_or_else(|| CtlError::Events(file.to_owned()))?;
        for event in list {
            self.write(Method::POST, &["mailboxes", address, "events"], event)
                .await?;
        }
        Ok(json!({ "count": list.len() }))
    }

    async fn act(&self, address: &str, act: Act) -> Answered {
        let events = ["mailboxes", address, "events"];
        let on = |id, rest: &[&'static str]| [&events[..], &[id], rest].concat();
        match act {
            Act::Create { event } => self.write(Method::POST, &events, &json_of(&event)?).await,
            Act::Patch { id, change } => self.write(Method::PATCH, &on(&id, &[]), &json_of(&change)?).await,
            Act::Delete { id } => self.delete(&on(&id, &[])).await,
            Act::Respond {
                id,
                response,
                comment,
                silent,
            } => {
                let body = json!({"response": response, "comment": comment, "sendResponse": !silent});
                self.write(Method::POST, &on(&id, &["respond"]), &body).await
            }
            Act::Cancel { id, comment } => {
                let body = json!({ "comment": comment });
                self.write(Method::POST, &on(&id, &["cancel"]), &body).await
            }
            Act::Attach { id, file, content_id } => {
                let bytes = std::fs::read(&file).map_err(|source| CtlError::File {
                    file: file.clone(),
                    source,
                })?;
                let body = json!({
                    "@odata.type": "#microsoft.graph.fileAttachment",
                    "name": file.file_name().unwrap_or_default().to_string_lossy(),
                    "contentBytes": STANDARD.encode(bytes),
                    "isInline": content_id.is_some(),
                    "contentId": content_id,
                });
                self.write(Method::POST, &on(&id, &["attachments"]), &body).await
            }
            Act::Move { id, calendar } => {
                let body = json!({ "calendar": calendar });
                self.write(Method::POST, &on(&id, &["move"]), &body).await
            }
        }
    }
}

/// Values are JSON; what is not is text.
fn settings(list: &[String]) -> Answered {
    let mut out = Map::new();
    for setting in list {
        let (name, value) = setting
            .split_once('=')
            .ok_or_else(|| CtlError::Setting(setting.clone()))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        out.insert(name.to_owned(), value);
    }
    Ok(Value::Object(out))
}

/// Carries the command out; what the simulator answered, null where it only agreed.
pub async fn run(ctl: Ctl) -> Answered {
    let base = ctl.url.parse::<url::Url>().ok().filter(|u| !u.cannot_be_a_base());
    let api = Api {
        http: Client::new(),
        base: base.ok_or_else(|| CtlError::Url(ctl.url.clone()))?,
    };
    match ctl.command {
        Command::Mailboxes => api.get(&["mailboxes"], &[]).await,
        Command::Load { address, file } => api.load(&address, &file).await,
        Command::Events { address, id } => match id {
            Some(id) => api.get(&["mailboxes", &address, "events", &id], &[]).await,
            None => api.get(&["mailboxes", &address, "events"], &[]).await,
        },
        Command::Mails(m) if m.clear => api.delete(&["mails"]).await,
        Command::Mails(m) => {
            let query = [
                ("to", m.to),
                ("from", m.from),
                ("kind", m.kind),
                ("subject", m.subject),
                ("after", m.after.map(|n| n.to_string())),
            ];
            api.get(&["mails"], &query).await
        }
        Command::Requests(r) if r.clear => api.delete(&["requests"]).await,
        Command::Requests(r) => {
            let query = [("mailbox", r.mailbox), ("method", r.method), ("path", r.path)];
            api.get(&["requests"], &query).await
        }
        Command::Fault { faults, clear } => {
            let list: Vec<Value> = faults.iter().map(|f| json_of(f)).collect::<Result<_, _>>()?;
            let method = if clear { Method::PUT } else { Method::POST };
            api.write(method, &["faults"], &Value::Array(list)).await
        }
        Command::Switch {
            settings: list,
            defaults,
        } => {
            let set = settings(&list)?;
            if defaults {
                api.delete(&["switches"]).await?;
            }
            api.write(Method::PUT, &["switches"], &set).await
        }
        Command::Act { address, act } => api.act(&address, act).await,
        Command::Person { address, change } => {
            api.write(Method::PATCH, &["people", &address], &json_of(&change)?)
                .await
        }
        Command::Mailbox { address, change } => {
            api.write(Method::PATCH, &["mailboxes", &address], &json_of(&change)?)
                .await
        }
        Command::Save { file } => {
            let state = api.get(&["state"], &[]).await?;
            std::fs::write(&file, state.to_string()).map_err(|source| CtlError::File { file, source })?;
            Ok(Value::Null)
        }
        Command::Restore { file } => api.write(Method::PUT, &["state"], &read(&file)?).await,
        Command::Reset => api.write(Method::POST, &["reset"], &json!({})).await,
    }
}
