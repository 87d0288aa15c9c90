//! The form of an event on the simulator's web page.

use crate::body_text::escape;
use chrono::NaiveDateTime;

#[derive(Default)]
pub(crate) struct Fields {
    pub(crate) subject: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) all_day: bool,
    pub(crate) location: String,
    pub(crate) attendees: String,
    pub(crate) body: String,
    pub(crate) sensitivity: String,
    pub(crate) show_as: String,
    pub(crate) teams: bool,
}

pub(crate) fn input_time(t: NaiveDateTime) -> String {
    t.format("%Y-%m-%dT%H:%M").to_string()
}

fn options(list: &[(&str, &str)], chosen: &str) -> String {
    list.iter()
        .map(|(value, name)| {
            let mark = if *value == chosen { " selected" } else { "" };
            format!("<option value=\"{value}\"{mark}>{name}</option>")
        })
        .collect()
}

pub(crate) fn fields(f: &Fields, teams_fixed: bool) -> String {
    let tick = |on: bool| if on { " checked" } else { "" };
    let shown = if f.show_as.is_empty() { "busy" } else { &f.show_as };
    format!(
        "<label><span>Subject</span><input id=\"subject\" name=\"subject\" value=\"{}\"></label>\
<div class=\"two\"><label><span>Start</span><input id=\"start\" name=\"start\" type=\"datetime-local\" value=\"{}\"></label>\
<label><span>End (all day: the last day)</span><input id=\"end\" name=\"end\" type=\"datetime-local\" value=\"{}\"></label></div>\
<label class=\"line\"><input id=\"allday\" name=\"allday\" type=\"checkbox\" value=\"1\"{}> All day</label>\
<label class=\"line\"><input id=\"teams\" name=\"teams\" type=\"checkbox\" value=\"1\"{}{}> Teams meeting</label>\
<label><span>Attendees, separated by commas</span><input id=\"attendees\" name=\"attendees\" value=\"{}\"></label>\
<label><span>Location</span><input id=\"location\" name=\"location\" value=\"{}\"></label>\
<div class=\"two\"><label><span>Show as</span><select id=\"showas\" name=\"showas\">{}</select></label>\
<label><span>Sensitivity</span><select id=\"sensitivity\" name=\"sensitivity\">{}</select></label></div>\
<label><span>Text</span><textarea id=\"body\" name=\"body\" rows=\"3\">{}</textarea></label>",
        escape(&f.subject),
        f.start,
        f.end,
        tick(f.all_day),
        tick(f.teams),
        if teams_fixed { " disabled" } else { "" },
        escape(&f.attendees),
        escape(&f.location),
        options(
            &[
                ("busy", "Busy"),
                ("free", "Free"),
                ("tentative", "Tentative"),
                ("oof", "Away"),
                ("workingElsewhere", "Working elsewhere"),
            ],
            shown
        ),
        options(
            &[
                ("normal", "Normal"),
                ("private", "Private"),
                ("personal", "Personal"),
                ("confidential", "Confidential"),
            ],
            &f.sensitivity
        ),
        escape(&f.body)
    )
}
