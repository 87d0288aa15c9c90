//! The metrics: all are there from the start, documented, and counted.

use std::time::Duration;

use outlook_bridge::measures::{ALL, Kind, Measure};
use serde_json::{Value, json};

use super::convergence::service::{Log, Process};
use super::odoo::Odoo;
use super::stack::{ANN, Stack, eventually};
use super::world::{day, odoo_time};

/// Returns the address for metrics, which the process logs.
pub async fn admin_url(log: &Log) -> String {
    eventually("the address for metrics", async || {
        let log = log.lock().expect("the log");
        log.iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            let address = line["fields"]["admin.address"].as_str()?;
            Some(format!("http://{address}"))
        })
    })
    .await
}

pub async fn metrics(url: &str) -> String {
    let answer = reqwest::get(format!("{url}/metrics")).await.expect("an answer");
    answer.text().await.expect("text")
}

/// Returns the number of events or of durations, or the gauge, with this value of the label.
fn count(text: &str, measure: &Measure, value: &str) -> Option<f64> {
    let name = match measure.kind {
        Kind::Counter | Kind::Gauge => measure.name.to_owned(),
        Kind::Histogram(_) => format!("{}_count", measure.name),
    };
    let label = match measure.label {
        ("", _) => String::new(),
        (label, _) => format!("{{{label}=\"{value}\"}}"),
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}{label} ")))?;
    line.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_there_from_the_start_and_count() {
    let stack = Stack::start().await;
    let log = Log::default();
    let process = Process::start(&stack, &log).await;
    let url = admin_url(&log).await;
    let text = metrics(&url).await;
    for measure in ALL {
        let kind = match measure.kind {
            Kind::Counter => "counter",
            Kind::Histogram(_) => "histogram",
            Kind::Gauge => "gauge",
        };
        assert!(
            text.contains(&format!("# HELP {} {}", measure.name, measure.help)),
            "{text}"
        );
        assert!(
            text.contains(&format!("# TYPE {} {kind}\n", measure.name)),
            "{text}"
        );
        let values: &[&str] = match measure.label {
            ("", _) => &[""],
            (_, values) => values,
        };
        for value in values {
            let counted = count(&text, measure, value);
            // The process has asked Postgres already.
            let is_new = counted == Some(0.0)
                || measure.kind == Kind::Gauge
                || measure.name == "outlook_bridge_statements_total";
            assert!(is_new && counted.is_some(), "{} {value}: {text}", measure.name);
        }
    }

    let mut odoo = Odoo::pair_with(&process, process.enroll(&stack).await).await;
    odoo.connect(&stack, &process, 7).await.expect("connected");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    let by_name = |name: &str| ALL.iter().find(|measure| measure.name == name).expect("known");
    let counted =
        |text: &str, name: &str, value: &str| count(text, by_name(name), value).unwrap_or_default() > 0.0;
    // A save is counted as such only if its mailbox is not being worked just then.
    let mut made = 0;
    eventually("everything is counted", async || {
        made += 1;
        odoo.create(7, &format!("Counted {made}"), &start, &stop, &[]);
        odoo.sync(&process).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let text = metrics(&url).await;
        let saves = by_name("outlook_bridge_save_to_microsoft_seconds");
        let told = count(&text, saves, "").unwrap_or_default();
        assert!(told <= f64::from(made), "{told} of {made} saves: {text}");
        let mut missing = vec![
            ("outlook_bridge_calls_total", "ok"),
            ("outlook_bridge_microsoft_answers_total", "ok"),
            ("outlook_bridge_planning_lock_held_seconds", "exchange"),
            ("outlook_bridge_planning_lock_held_seconds", "push"),
            ("outlook_bridge_planning_lock_waited_seconds", "button"),
            ("outlook_bridge_poll_late_seconds", "poll"),
            ("outlook_bridge_poll_late_seconds", "saved"),
            ("outlook_bridge_run_seconds", "whole"),
            ("outlook_bridge_run_seconds", "idle"),
            ("outlook_bridge_save_to_microsoft_seconds", ""),
            ("outlook_bridge_postgres_up", ""),
            ("outlook_bridge_databases", "paired"),
            ("outlook_bridge_mailboxes", "synced"),
        ];
        missing.retain(|(name, value)| !counted(&text, name, value));
        // Shown if the test fails.
        println!("not counted yet: {missing:?}");
        missing.is_empty().then_some(())
    })
    .await;
    // What was there before, and what Odoo has saved, is nobody's edit in Outlook.
    let edits = by_name("outlook_bridge_edit_to_odoo_seconds");
    assert_eq!(count(&metrics(&url).await, edits, ""), Some(0.0));
    let body = json!({"subject": "Edited", "start": {"dateTime": day(3, "10:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": day(3, "11:00:00"), "timeZone": "UTC"}});
    stack
        .sim_call("POST", &format!("mailboxes/{ANN}/events"), body)
        .await;
    eventually("the edit is counted once it is in Odoo", async || {
        odoo.sync(&process).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        (count(&metrics(&url).await, edits, "") == Some(1.0)).then_some(())
    })
    .await;
    assert!(odoo.by_name("Edited").is_some());
    // The run that finds out fails, and the next one renews the token.
    stack
        .sim_call("POST", &format!("people/{ANN}/expire-tokens"), Value::Null)
        .await;
    eventually("the failure and the renewal are counted", async || {
        let text = metrics(&url).await;
        let failed = counted(&text, "outlook_bridge_run_failures_total", "unauthorized");
        let renewed = counted(&text, "outlook_bridge_token_renewals_total", "ok");
        (failed && renewed).then_some(())
    })
    .await;
    let text = metrics(&url).await;
    let saves = ALL
        .iter()
        .find(|measure| measure.name == "outlook_bridge_save_to_microsoft_seconds")
        .expect("known");
    let told = count(&text, saves, "").expect("counted");
    assert!(
        (1.0..=f64::from(made)).contains(&told),
        "{told} of {made} saves: {text}"
    );
}

/// The names in the section of docs/monitoring.md are those in the code, and the code has no others.
#[test]
fn metrics_are_documented() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(root.join("docs/monitoring.md")).expect("the guide");
    let section = guide.split("## Metrics\n").nth(1).expect("a section");
    let section = section.split("\n##").next().expect("its text");
    let told: Vec<(&str, &str)> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split_once('`'))
        .collect();
    let named: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    let known: Vec<&str> = ALL.iter().map(|measure| measure.name).collect();
    assert_eq!(named, known, "docs/monitoring.md, Metrics");
    for (measure, (_, rest)) in ALL.iter().zip(told) {
        let (label, values) = measure.label;
        assert!(label.is_empty() || rest.contains(&format!("`{label}`")), "{rest}");
        // Statuses and names of exceptions are not listed one by one.
        if !matches!(label, "status" | "outcome") {
            for value in values {
                assert!(rest.contains(&format!("`{value}`")), "{value}: {rest}");
            }
        }
    }
    let mut folders = vec![root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("measures.rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                for macro_name in ["metrics::counter!", "metrics::gauge!", "metrics::histogram!"] {
                    assert!(!text.contains(macro_name), "{}: {macro_name}", path.display());
                }
            }
        }
    }
}
