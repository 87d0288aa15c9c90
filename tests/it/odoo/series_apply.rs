//! What the add-on does with `apply_series`, in the model of the add-on.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::database::Odoo;
use super::series::{date, differ, forget_what_ended, lay_out, slots};

impl Odoo {
    /// What the add-on answers to `apply_series`.
    pub(super) fn apply_series(&mut self, change: &Value) -> Value {
        let ack = |result: &str, record: Option<Value>| json!({"id": change["id"], "result": result, "record": record});
        let is_it = |r: &&Value| {
            !change["key"].is_null() && r["key"] == change["key"]
                || r["link"] == change["link"] && r["rule"].is_object()
        };
        let known = self.records.values().find(is_it).and_then(|r| r["id"].as_i64());
        let id = match known {
            Some(id) => {
                let present = self.snapshot(id).expect("a series");
                if !change["version"].is_null() && present["version"] != change["version"] {
                    return ack("stale", Some(present));
                }
                id
            }
            None => {
                let owner = change["user_id"].as_i64().expect("an owner");
                let before = self.outbox.len();
                let start = change["start"].as_str().expect("a start");
                let made = self.create_weekly(owner, "", start, 1, &[]);
                self.outbox.truncate(before);
                self.records.get_mut(&made).expect("a series")["link"] = change["link"].clone();
                made
            }
        };
        let series = self.records.get_mut(&id).expect("a series");
        let before: BTreeSet<NaiveDate> = match known {
            Some(_) => slots(series).iter().map(|slot| date(slot)).collect(),
            None => BTreeSet::new(),
        };
        for (name, value) in change["rule"].as_object().expect("a rule") {
            series["rule"][name] = value.clone();
        }
        series["dtstart"] = change["start"].clone();
        series["missing"] = change["missing"].clone();
        series["active"] = json!(true);
        let mut template = series["template"].take();
        for name in ["start", "stop"] {
            template[name] = change[name].clone();
        }
        let template = self.with_values(template, &change["values"]);
        let mut own = Vec::new();
        for special in change["slots"].as_array().expect("slots") {
            let whole = self.with_values(template.clone(), &special["values"]);
            // What is told and is as of all is nothing of its own any more.
            let told = values_named(&whole, &special["values"]);
            own.push((special["slot"].as_str().expect("a slot").to_owned(), told));
        }
        let series = self.records.get_mut(&id).expect("a series");
        series["template"] = template;
        find_slots_anew(series, &own);
        // Every occurrence is written what is said of all, whatever it had of its own.
        let of_all = change["values"].as_object().expect("values");
        for own in series["slots"].as_array_mut().expect("slots") {
            let differences = own["differences"].as_object_mut().expect("differences");
            differences.retain(|name, _| !of_all.contains_key(name));
        }
        // The add-on copies some other occurrence.
        let copied = series["slots"][0]["differences"].clone();
        let made: Vec<String> = slots(series)
            .into_iter()
            .filter(|slot| !before.is_empty() && !before.contains(&date(slot)))
            .collect();
        let mut told = None;
        if let Some(values) = change.get("new_values").filter(|values| values.is_object()) {
            let whole = self.with_values(self.records[&id]["template"].clone(), values);
            told = Some(values_named(&whole, values));
        }
        let series = self.records.get_mut(&id).expect("a series");
        for slot in made {
            if let Value::Object(mut copied) = copied.clone() {
                copied.retain(|name, _| !["start", "stop"].contains(&name.as_str()));
                differ(series, &slot, &Value::Object(copied));
            }
            if let Some(told) = &told {
                differ(series, &slot, told);
            }
        }
        for (slot, differences) in own {
            differ(series, &slot, &differences);
        }
        lay_out(series);
        ack("applied", self.snapshot(id))
    }

    /// A record's fields once these values are written.
    fn with_values(&mut self, fields: Value, values: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.records.insert(id, fields);
        self.set(id, values);
        let mut fields = self.records.remove(&id).expect("fields");
        fields.as_object_mut().expect("fields").remove("write_date");
        fields
    }
}

/// The fields that these values name.
fn values_named(whole: &Value, values: &Value) -> Value {
    let names = values.as_object().expect("values").keys();
    let told: Map<String, Value> = names.map(|name| (name.clone(), whole[name].clone())).collect();
    Value::Object(told)
}

/// Under another hour an occurrence's slot has another name; and who is not told where it is stands at its slot.
fn find_slots_anew(series: &mut Value, told: &[(String, Value)]) {
    let slots = slots(series);
    for own in series["slots"].as_array_mut().expect("slots") {
        let day = date(own["slot"].as_str().expect("a slot"));
        let Some(slot) = slots.iter().find(|slot| date(slot) == day) else {
            continue;
        };
        own["slot"] = json!(slot);
        let has_time = |(name, values): &(String, Value)| name == slot && values.get("start").is_some();
        if !told.iter().any(has_time) {
            let differences = own["differences"].as_object_mut().expect("differences");
            differences.remove("start");
            differences.remove("stop");
        }
    }
    forget_what_ended(series);
}
