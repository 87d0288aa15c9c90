//! The catalogue: a constructor for each sentence, which has the name of its code.
//!
//! Codes and the names of arguments are in databases and in add-ons of other versions. Another
//! wording keeps them; another meaning gets a new code.
//!
//! After a change, `python -m tools.sentences` writes the add-on's file, and
//! `python -m tools.translations` the terms to translate.

use super::{Arg, Sentence, Template};

macro_rules! sentences {
    ($($(#[$about:meta])* $code:ident($($arg:ident),*) = $english:literal;)+) => {
        $(
            $(#[$about])*
            #[doc = concat!("Returns “", $english, "”.")]
            pub fn $code($($arg: impl Into<Arg>),*) -> Sentence {
                Sentence::new(stringify!($code), [$((stringify!($arg), $arg.into())),*])
            }
        )+

        /// All templates.
        pub const ALL: &[Template] = &[$(Template {
            code: stringify!($code),
            english: $english,
            args: &[$(stringify!($arg)),*],
        }),+];
    };
}

sentences! {
    // How parts are joined. The add-on joins the parts of a list, and the ends of a span of time.
    listed(first, second) = "{first}, {second}";
    from_to(start, end) = "{start} to {end}";
    both(first, second) = "{first}; {second}";
    in_a_row(first, second) = "{first} {second}";
    about_title(title, what) = "“{title}”: {what}";
    about_occurrence(what, date) = "{what} (occurrence of {date})";
    the_user(id) = "the user {id}";

    // What an event has.
    group_title() = "title";
    group_body() = "description";
    group_location() = "location";
    group_time() = "time";
    group_privacy() = "privacy";
    group_show_as() = "availability";
    group_reminder() = "reminder";
    group_video() = "video link";
    group_online() = "online meeting";
    group_attendees() = "attendees";
    privacy_normal() = "public";
    privacy_personal() = "personal";
    privacy_private() = "private";
    privacy_confidential() = "confidential";
    show_as_free() = "free";
    show_as_tentative() = "tentative";
    show_as_busy() = "busy";
    show_as_out_of_office() = "out of office";
    show_as_working_elsewhere() = "working elsewhere";
    show_as_unknown() = "unknown";

    no_reminder() = "none";
    minutes_before(minutes) = "{minutes} minutes before";
    is_online() = "Teams";
    is_not_online() = "not online";
    repeats_from(rule, time) = "{rule} from {time:%a %-d %b %Y}";

    // What was changed.
    brought_up_to_date() = "brought up to date";
    title_is_now(value) = "title is now “{value}”";
    title_removed() = "title removed";
    location_is_now(value) = "location is now “{value}”";
    location_removed() = "location removed";
    video_is_now(value) = "video link is now “{value}”";
    video_removed() = "video link removed";
    description_changed() = "description changed";
    moved_to(time) = "moved to {time:%a %-d %b %Y}";
    privacy_is_now(privacy) = "privacy is now {privacy}";
    shown_as(show_as) = "shown as {show_as}";
    reminder_removed() = "reminder removed";
    reminder_before(minutes) = "reminder {minutes} minutes before";
    made_online() = "made a Teams meeting";
    no_longer_online() = "no longer a Teams meeting";
    invited(guests) = "invited {guests}";
    no_longer_invited(guests) = "no longer invited {guests}";
    has_not_answered(guest) = "{guest} has not answered yet";
    has_accepted(guest) = "{guest} accepted";
    may_come(guest) = "{guest} may come";
    has_declined(guest) = "{guest} declined";
    days(first, last) = "{first:%a %-d %b} to {last:%a %-d %b %Y}";
    a_guest() = "a guest";
    proposes(title, who, time) = "“{title}”: {who} proposes another time, {time:%a %-d %b %Y}: to take it, move the meeting";

    // How a series repeats.
    every_day() = "every day";
    every_week() = "every week";
    every_month() = "every month";
    every_year() = "every year";
    every_days(n) = "every {n} days";
    every_weeks(n) = "every {n} weeks";
    every_months(n) = "every {n} months";
    every_years(n) = "every {n} years";
    on_weekdays(every, days) = "{every} on {days}";
    on_day_of_month(every, day) = "{every} on day {day}";
    on_nth(every, nth) = "{every} on the {nth}";
    on_date(every, day, month) = "{every} on {day} {month}";
    on_nth_of_month(every, nth, month) = "{every} on the {nth} of {month}";
    nth_first(day) = "first {day}";
    nth_second(day) = "second {day}";
    nth_third(day) = "third {day}";
    nth_fourth(day) = "fourth {day}";
    nth_last(day) = "last {day}";
    any_day() = "day";
    workday() = "workday";
    weekend_day() = "day of a weekend";
    of_weekdays(days) = "of {days}";
    rule_once(rule) = "{rule}, once";
    rule_times(rule, count) = "{rule}, {count} times";
    rule_until(rule, date) = "{rule}, until {date:%-d %b %Y}";

    // What was done to an event.
    made_in_outlook_at(time) = "made in Outlook, {time:%a %-d %b %Y}";
    made_in_outlook_repeating(rule) = "made in Outlook: {rule}";
    made_in_odoo_at(time) = "made in Odoo from Outlook, {time:%a %-d %b %Y}";
    made_in_odoo_repeating(rule) = "made in Odoo from Outlook: {rule}";
    words_for_pictures(what) = "{what} · words stand for the pictures, which are attached to an earlier event in Outlook";
    from_odoo(what) = "{what} · from Odoo";
    from_outlook(what) = "{what} · from Outlook";
    repeats_now(rule) = "now {rule}";
    changed_for_all(groups) = "{groups} changed for all";
    occurrence_changed(groups, date) = "{groups} of the {date} changed";
    occurrence_taken_out(date) = "the occurrence of {date} was taken out in Odoo, and now in Outlook";
    occurrences_changed(dates) = "{dates} changed";
    occurrences_taken_out(dates) = "{dates} taken out";
    occurrences_brought_back(dates) = "{dates} brought back";
    and_others(dates) = "{dates} and others";
    no_longer_repeats() = "no longer repeats";
    deleted_from_outlook() = "deleted in Odoo, and now from Outlook";
    archived_in_odoo() = "deleted in Outlook, and archived in Odoo";
    back_on_both_sides() = "is in Outlook again, and back in Odoo";
    put_back_in_odoo() = "put back in Odoo, as somebody asked for it";
    is_to_be_put_back() = "is to be put back, as somebody asked for it";
    deleted_from_outlook_by_reset() = "deleted from Outlook by the reset";
    deleted_from_odoo_by_reset() = "deleted from Odoo by the reset";
    handed_over(login) = "handed over to {login}: cancelled here, and made in the new organizer's mailbox next";
    without_attachments(what) = "{what}, without its attachments, which are in Deleted Items here";
    given_apart(dates) = "given to another organizer in Odoo: {dates}. A series has one in Outlook, so it is an event of its own now";
    restored_apart(dates) = "back in Odoo: {dates}. Outlook cannot bring back an occurrence, so it is an event of its own now, on both sides";
    goes_on_without_attachments() = "goes on as a series of its own in Outlook, to which its attachments are not attached";
    answered_in_odoo(answer) = "{answer} in Odoo · Outlook tells the organizer";
    answered_occurrence_in_odoo(answer, date) = "{answer} in Odoo, to the occurrence of {date} · Outlook tells the organizer";
    odoo_invites() = "Odoo invites the guests, as Outlook does not have it";

    // Whom Outlook mails.
    with_mails(what, mails) = "{what} · {mails}";
    saved_by(what, names) = "{what} · saved by {names}";
    no_mail() = "no mail";
    outlook_sends(mails) = "Outlook sends {mails}";
    one_invitation() = "1 invitation";
    invitations(n) = "{n} invitations";
    one_update() = "1 update";
    updates(n) = "{n} updates";
    one_cancellation() = "1 cancellation";
    cancellations(n) = "{n} cancellations";

    // What was decided, and what stays.
    kept_odoos(what, kept, other) = "{what} changed on both sides: kept Odoo’s “{kept:%a %-d %b %Y}”, Outlook had “{other:%a %-d %b %Y}”";
    kept_outlooks(what, kept, other) = "{what} changed on both sides: kept Outlook’s “{kept:%a %-d %b %Y}”, Odoo had “{other:%a %-d %b %Y}”";
    keeps_text() = "the description was changed in Odoo, which has only the beginning of Outlook's: that stays as it is, and is edited in Outlook alone";
    keeps_guests() = "the guests were changed in Odoo, but Outlook names one of them by an internal path of Exchange and no address, and may not take that back: its list stays as it is, and is edited in Outlook alone";
    unreachable(name) = "{name} has no mail address that Outlook can use, and is a guest in Odoo alone";
    guests_without_address(names) = "{names} without a mail address stay in Outlook alone, all else is synced";
    may_not_answer(who, answer, kept) = "{who} set in Odoo that {answer}, and may not answer for them: nothing was sent, and Outlook’s answer counts ({kept})";
    answer_none() = "needsAction";
    answer_accepted() = "accepted";
    answer_tentative() = "tentative";
    answer_declined() = "declined";
    occurrences_differ(dates) = "single occurrences were changed ({dates}), but Odoo and Outlook repeat this series differently: each side keeps its own";
    not_shown_yet() = "was changed in Odoo: Outlook gets it once the organizer's mailbox has shown the meeting";
    organizer_not_connected() = "the organizer's mailbox is not connected";
    groups_changed_but(groups, why) = "{groups} changed in Odoo, but {why}: Outlook keeps its own";
    changed_but(why) = "was changed in Odoo, but {why}";
    outlook_keeps(why) = "{why}: Outlook keeps its own";
    occurrence_crosses(date, to, neighbor, theirs) = "Outlook does not let the occurrence of {date} be on {to}: the one of {neighbor} is on {theirs}";
    cannot_bring_back(date) = "Outlook cannot bring back the occurrence of {date}, which was taken out of the series";
    written_too_often(times, until) = "was written {times} times within an hour, which no person does: what is left to write waits until {until:%H:%M UTC}. If nobody changes it so often, look for a rule or another program that does";
    not_online() = "Outlook did not make a Teams meeting of it: this mailbox cannot hold any. The event is synced without a link to join";
    has_vanished(title) = "“{title}” has left the calendar in Outlook, which does not say why: it counts as declined, and stays in Odoo. If its organizer has cancelled it, archive it in Odoo";
    each_on_its_own(reason) = "Odoo cannot repeat it as Outlook does: {reason}. Each occurrence is synced as an event of its own";

    // Why an event is not synced.
    is_not_synced(reason) = "is not synced: {reason}";
    reason_kept_in_odoo() = "It was deleted in Outlook, and it was decided to keep it in Odoo. To have it in Outlook again, duplicate it";
    reason_unsent() = "Its changes were not sent to Outlook, as somebody decided so: each side keeps its own until it is saved in Odoo again";
    reason_organizer_unconnected() = "Its organizer was changed in Odoo to somebody whose mailbox is not connected, and Outlook cannot hand a meeting over: each side keeps its own. To hand it over, let the new organizer connect to Outlook, then save it again";
    reason_organizer_restored() = "Odoo was restored to a time before this meeting was given to another organizer, in whose mailbox it is: each side keeps its own. Save the organizer whom it is to have in Odoo once more";
    reason_organizer_asleep() = "Its organizer was changed in Odoo: it is handed over once the new one's synchronization runs again";
    reason_waits_for_choice() = "It existed before its organizer connected to Outlook and has guests: it stays in Odoo alone until its organizer has chosen, so that nobody is invited by surprise. The choice is in the calendar, under Outlook, Waiting for You";
    reason_waits_for_choice_again() = "It is in Odoo again, as in a restored backup, and has guests: it stays in Odoo alone until its organizer has chosen, so that nobody is invited to what had been deleted. The choice is in the calendar, under Outlook, Waiting for You";
    reason_left_out() = "It existed before its organizer connected to Outlook and has guests, and was left out: it stays in Odoo alone";
    reason_not_its_organizers() = "It came to Odoo by an invitation in somebody else's mailbox, and the mailbox of whom that named as its organizer has never shown it: it stays in Odoo alone. To have it in Outlook, duplicate it in Odoo";
    reason_not_in_mailbox() = "Odoo's own synchronization had linked it with an event that is not in the mailbox any more: it stays in Odoo alone, so that nobody is invited anew";
    reason_not_chosen(choice) = "It is left out by choice: {choice}. What is synced is chosen in the preferences and, for everybody, in the settings: press What Is Synced";
    choice_only_to_odoo() = "changes go only to Odoo";
    choice_only_to_outlook() = "changes go only to Outlook";
    choice_private() = "it is private";
    choice_free() = "it is shown as free";
    choice_not_accepted() = "the invitation is not accepted";
    choice_category(category) = "it has the category “{category}”";
    choice_title(word) = "its title contains “{word}”";
    choice_earlier(date) = "it ended before {date}";
    choice_further_calendar() = "it is in a further calendar of Outlook, which comes only to Odoo";
    choice_calendar_not_chosen() = "it is in a further calendar of Outlook that is not chosen";
    stays_in_outlook(choice) = "was deleted in Odoo, and stays in Outlook: by choice it is not synced: {choice}";
    stays_in_odoo(choice) = "was deleted in Outlook, and stays in Odoo: by choice it is not synced: {choice}";
    chosen_anew() = "what is synced was chosen anew";
    chosen_anew_for_everybody() = "what is left out for everybody was chosen anew";
    reason_excluded() = "A rule of this Odoo, set by another add-on, keeps it out of Outlook";
    reason_too_old(days) = "It ended more than {days} days ago, and what is older is not sent to Outlook. An administrator sets that in Settings, Calendar";
    why_excluded() = "a rule of this Odoo, set by another add-on, keeps it out of Outlook";
    why_too_old(days) = "it ended more than {days} days ago, and what is older is not sent to Outlook";
    reason_odoo_cannot_repeat(problem) = "Odoo cannot repeat it as Outlook does: {problem}";
    reason_outlook_cannot_repeat(problem) = "Outlook cannot repeat it so: {problem}. To have it in Outlook, let it repeat in another way";
    reason_later_part_repeats_differently() = "It began so long ago that Odoo shows only its later part, which now repeats differently: change it in Outlook, or end it and make a new one";
    reason_description_too_large(megabytes) = "Its description is too large for Outlook ({megabytes} MB, and 2 MB are the most): shorten it, or attach its pictures";
    reason_does_not_stick_in_outlook() = "Outlook was told the same twice and shows something else, though nobody has changed it: each side keeps its own until somebody does";
    reason_does_not_stick_in_odoo() = "Odoo was told the same twice and shows something else, though nobody has changed it: each side keeps its own until somebody does";
    reason_came_too_late() = "Whatever Odoo was told of it came too late, as its record was another one by then, though nobody has saved it: each side keeps its own until somebody does";
    reason_refused_by_odoo(problem) = "Odoo refused it: {problem}. It is tried again when it is changed";
    reason_lost_in_odoo() = "Odoo does not have it any more, and nobody is known to have deleted it: Outlook keeps it";
    reason_not_taken_over(problem) = "What Odoo has told of it last cannot be taken over: {problem}";
    reason_refused_by_outlook(problem) = "Outlook refused it: {problem}. It is tried again when it is changed";
    reason_refused_for_now(problem) = "Outlook refuses it now: {problem}. It is tried again once a day, and when it is changed";
    reason_unreadable_in_odoo(problem) = "What Odoo has of it cannot be synced: {problem}. Correct it in Odoo";
    reason_unreadable_in_outlook(problem) = "What Outlook has of it cannot be read: {problem}. Correct it in Outlook";
    reason_in_vain() = "Microsoft fails at it each time; it is tried again once a day";
    reason_unreadable_row(problem) = "Outlook sent something that cannot be read: {problem}";
    reason_too_slow_to_read() = "Its description takes too long to read. Shorten it in Outlook";
    reason_without_uid() = "Outlook gives it no iCalUId, by which the same meeting is known in all mailboxes. If it stays so, copy the event in Outlook and delete this one";
    reason_not_stored() = "The bridge could not store it; its log says why";
    reason_answer_not_stored() = "The bridge could not store Outlook's answer; its log says why";
    reason_not_planned() = "The bridge cannot read what it has stored of this event; its log says why";
    reason_no_time() = "There was no time to look at it yet";
    reason_of_another_version() = "The bridge was upgraded or set back meanwhile, and does not know the reason any more";
    cannot_be_read_now(reason) = "An event in Outlook cannot be read now, and is tried again: {reason}";
    cannot_be_looked_up(reason) = "cannot be looked up in Outlook now, and is tried again: {reason}";
    links_cannot_be_looked_up(reason) = "What Odoo's own synchronization had linked cannot be looked up in the mailbox now, and is tried again; until then nothing of the mailbox is made in Odoo: {reason}";
    links_are_gone(n) = "{n} event(s) that Odoo's own synchronization had linked are not in the mailbox any more: they stay in Odoo alone";
    change_not_taken() = "The Outlook bridge could not take over the last change of this event. It is tried again by itself; saving the event once more does so at once. Why it failed is in the bridge's journal.";
    events_not_compared(problem) = "what Odoo has told of this user's events could not be compared with Outlook; it is tried again: {problem}";
    odoo_gave_no_reason() = "Odoo gave no reason";
    not_taken_over_now(problem) = "could not be taken over from Odoo; it is tried again: {problem}";

    // What is wrong with an event, said inside the reason for which it is not synced.
    form_short_months(day) = "it is on day {day}: months without one have it on their last day in Outlook, and not at all in Odoo";
    form_several_days() = "Odoo has no “first of several weekdays of a month”";
    form_week_start(interval, counted, odoo) = "it counts every {interval}. week from {counted}, and Odoo from {odoo}";
    form_counted_in_utc() = "Odoo counts weeks and months in UTC, where the first occurrence is in another one";
    form_other_hour() = "Odoo would go on at another hour than the first occurrence has, as its zone's clock changes about then";
    form_interval(interval, largest) = "Outlook cannot say an interval of {interval}; the largest is {largest}";
    form_unreadable(problem) = "its rule cannot be read: {problem}";
    form_no_date() = "its rule has no date";
    unreadable_value(problem) = "it cannot be read: {problem}";
    unreadable_last_day() = "its last day is out of range";
    unreadable_no_time(field) = "it has no time in the field “{field}”";
    unreadable_time(field, value) = "its time in the field “{field}” cannot be read: {value}";
    unreadable_zone(field, zone) = "its time in the field “{field}” is in a time zone of its own making: {zone}";
    unreadable_ends_first() = "it ends before it begins";
    unreadable_slot() = "it cannot be told which occurrence was changed or taken out";
    unreadable_series_zone() = "its time zone has no name, and none that its mailbox uses has its hours";
    unreadable_no_occurrence() = "it has no occurrence";

    // What Microsoft answered. Codes and reasons are Microsoft's.
    microsoft_forbids(code) = "Microsoft does not allow this ({code})";
    microsoft_misses_it() = "Microsoft does not find the event in this mailbox";
    microsoft_finds_no_way(code) = "Microsoft cannot find the way to this now ({code})";
    microsoft_gave_up(reason) = "Microsoft has failed at this each time ({reason})";
    microsoft_saw_a_change() = "The event was changed at the same time";
    microsoft_has_made_it() = "Microsoft has made this event before";
    microsoft_has_forgotten() = "Microsoft has forgotten where the synchronization was";
    microsoft_slows_down() = "Microsoft asks to slow down";
    microsoft_failed(reason) = "Microsoft could not be reached or failed ({reason})";
    microsoft_refused(status, code) = "Microsoft refused this ({status} {code})";
    setting_client_id() = "Client ID";
    setting_client_secret() = "Client Secret";
    setting_tenant_id() = "Tenant ID";
    app_refused(setting, problem) = "Microsoft refuses the {setting} in the settings: {problem}";
    app_not_accepted() = "Microsoft does not accept the app registration in the settings";
    app_of_company() = "It is this company's own app registration.";
    app_secret_expires(date) = "The secret was entered as expiring on {date}.";
    app_remedy() = "An administrator puts it right in Settings, Calendar, Outlook Calendar; nobody has to log in again for it.";
    sign_in_failed(problem) = "Microsoft's login could not be reached or failed: {problem}";
    sign_in_refused(error, problem) = "Microsoft refuses the login ({error}): {problem}";
    microsoft_says(words, said) = "{words} Microsoft says: {said}";

    // Why a person cannot do something now.
    refusal_old_login() = "This login has expired, or was started elsewhere. Press the Outlook button in the calendar to start again.";
    refusal_nothing_allowed() = "Nothing was allowed for everybody, and everything is as it was.";
    refusal_no_answer() = "Microsoft sent neither a code nor an error. Press the Outlook button to try again.";
    refusal_cancelled() = "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again.";
    refusal_of_login(said) = "Microsoft refused the login: {said}";
    refusal_of_settings(words) = "Microsoft does not accept the settings of this Odoo: {words}";
    refusal_login_failed(problem) = "The login did not succeed: {problem}";
    refusal_nobody() = "Microsoft did not say who logged in. Press the Outlook button to try again.";
    refusal_no_lasting_permission() = "Microsoft gave no lasting permission for the calendar (offline_access, Calendars.ReadWrite). An administrator must check the app registration's API permissions.";
    refusal_taken(login) = "The mailbox {login} is connected already, by another user of this Odoo.";
    refusal_reset_goes_on(login) = "This account is being reset: events of {login} are still being deleted from Outlook. Log in again when that is done.";
    refusal_reset_waits(login) = "This account is being reset: events of {login} are still being deleted from Outlook. Log in as {login} once more to let it end, or ask an administrator to reset the account again.";
    refusal_two_logins() = "This account was logged in to at the same time. Press the Outlook button to see where it stands.";
    refusal_not_configured() = "Outlook is not configured: an administrator must enter Client ID and Client Secret in Settings, Calendar.";
    refusal_client_id() = "Client ID: this is not an Application (client) ID. Copy it from the app registration's overview page.";
    refusal_tenant(tenant) = "Tenant ID: “{tenant}” is neither a Directory (tenant) ID nor a domain. Copy it from the app registration's overview page, or leave it empty for an app that any organization can use.";
    refusal_date(date) = "Secret expires on: “{date}” is not a date like 2027-11-22.";
    refusal_never_connected() = "This user has never connected to Outlook. Connect first, then choose what is synced.";
    refusal_not_connected() = "This user is not connected to Outlook: press the Outlook button in the calendar first.";
    refusal_nothing_to_reset() = "This user is not connected to Outlook: there is nothing to reset.";
    refusal_reset_shut_out() = "This database is shut out, as it may be a copy: nothing is deleted for it. Pair it again first, in Settings, Calendar.";
    refusal_reset_without_login() = "This user's login at Microsoft is not valid any more, so nothing can be deleted from Outlook. Let the user log in again first, or choose to leave the events in Outlook.";
    refusal_nothing_waits() = "Nothing waits for an answer here: it was given already, or this user is not connected to Outlook.";
    refusal_event_waits_not() = "This event does not wait for anything: its guests were invited already, or it is not synced.";
    refusal_mails_answered() = "No mails wait for an answer here: it was given already.";
    refusal_value_forgotten() = "The value that was not kept is not known any more.";
    refusal_takes_too_long() = "This search takes too long: look for less at a time.";
    refusal_busy() = "The Outlook bridge is busy with other calls of this database. Nothing is lost: it is tried again.";
    refusal_choices_neither() = "Direction: stop the synchronization instead of choosing neither.";
    refusal_choices_title() = "Private events: what is shown in their place needs a title.";
    refusal_choices_many(most) = "At most {most} categories and words of titles can be named.";
    refusal_choices_calendars(most) = "At most {most} further calendars can be chosen.";
    refusal_choices_calendars_offered() = "An administrator does not offer further calendars. Leave them out.";
    refusal_choices_calendars_everybody() = "Further calendars are chosen by whose mailbox it is, and not for everybody.";
    refusal_choices_calendar_gone() = "One of these calendars is not in Outlook any more. Close this and open it again.";
    refusal_choices_calendar() = "A further calendar has no valid id.";
    refusal_choices_empty() = "A category or a word of a title is empty.";
    refusal_choices_long(begin, most) = "“{begin}…” is longer than {most} characters.";
    refusal_window(back, ahead) = "Window: events are exchanged at most {back} days back and {ahead} days ahead; 0 is what the Outlook bridge is configured with.";
    refusal_sent_back(most) = "Old events: the number of days is 0 (however old) to {most}.";
    refusal_created_from(time) = "Created since: “{time}” is not a time like 2026-11-22 10:00:00.";
    refusal_removals() = "Removals to confirm: the number of events must not be negative, and the share is 0 to 100 percent.";
    refusal_mails() = "Mails to confirm: the numbers must not be negative.";
    refusal_base_url(url) = "web.base.url: “{url}” is not an address like https://odoo.example.com, without user, password, ? and #";
    refusal_more_invitations(now, announced) = "Outlook would send {now} invitations now, not {announced}: look at the preview again. Nothing was sent.";
    refusal_more_mails(now) = "Outlook would send {now} mails now, more than were announced: look at them again. Nothing was sent.";
    refusal_others_invited() = "Other people would be invited now: look at it again.";
    refusal_no_form() = "It has no form that Odoo can show: all of it may be past, or Odoo cannot repeat as it does.";
    refusal_not_deleted() = "This event was not deleted, or has been forgotten since.";
    refusal_put_back(title, obstacle) = "“{title}” cannot be put back: {obstacle}";
    obstacle_asked_already() = "that was asked for already, and happens when Odoo calls next";
    obstacle_not_deleted() = "it is not deleted, or its deletion is still under way";
    obstacle_forgotten() = "it was over so long ago that its content is forgotten";
    obstacle_never_in_odoo() = "Odoo never had it";
    obstacle_still_in_odoo() = "Odoo has it still";
    obstacle_of_somebody_else() = "somebody else's mailbox has it, and only its organizer can invite to it again";
    obstacle_never_connected() = "its organizer was never connected to Outlook";
    obstacle_not_logged_in() = "its organizer has to log in to Outlook first";
    everybody_may_connect() = "Everybody in your organization may now connect their Outlook calendar to this Odoo, and is no longer asked to allow it. Each person still logs in once, with the Outlook button in their calendar.";

    // How an event stands now.
    stands_not_synced(reason) = "it is not synced. {reason}";
    stands_attachments_at(link) = "it has attachments in Outlook, which are seen there alone: {link}";
    stands_attachments() = "it has attachments in Outlook, which are seen there alone";
    stands_outlook_differs_as(reason) = "it was changed in Outlook and is another one in Odoo, as {reason}";
    stands_differs_as(reason) = "it was changed in Odoo and is another one in Outlook, as {reason}";
    stands_until_shown() = "it was changed in Odoo, and goes to Outlook once its organizer's mailbox has shown it";
    stands_differs_unconnected() = "it was changed in Odoo and is another one in Outlook, as its organizer's mailbox is not connected";
    stands_without_organizer() = "it is in Odoo alone, as nobody organizes it: choose an organizer";
    its_organizer() = "its organizer";
    stands_changes_on_their_way() = "its changes are on their way to Outlook";
    stands_only_new(name) = "it is in Odoo alone, as {name} chose to sync only what is new. To have it in Outlook, duplicate it";
    stands_too_early() = "it is in Odoo alone, as it was created before the date from which on events go to Outlook (in the settings). To have it in Outlook, duplicate it";
    stands_on_its_way() = "it is on its way to Outlook";
    stands_until_login(name) = "it is in Odoo alone until {name} logs in to Outlook again, with the Outlook button in the calendar";
    stands_unconnected(name) = "it is in Odoo alone, as its organizer, {name}, is not connected to Outlook. To connect, {name} presses the Outlook button in the calendar";
    stands_never_connected() = "it is in Odoo alone, as its organizer is not connected to Outlook. To connect, the organizer presses the Outlook button in the calendar";
    stands_comparing() = "it is not known yet whether Outlook has it: the calendars are still being compared";
    stands_outside() = "it is in Odoo alone, as it is from before the connection to Outlook and lies outside of the days that are synced. To have it in Outlook, duplicate it";
    stands_archived() = "it is archived in Odoo, and therefore not in Outlook. To have it in both, unarchive it";
    stands_removal_on_its_way() = "it was deleted in Outlook, and leaves Odoo soon";
    stands_removal_waits() = "it was deleted in Outlook, together with many others: it stays in Odoo until an administrator has decided about them in Settings, Calendar";
    stands_shut_out() = "it waits, as nothing is synced for anybody, for safety: administrators read why in Settings, Calendar, Outlook Calendar";
    stands_paused() = "it waits, as an administrator has paused the synchronization for everybody: it is sent once that is over";
    stands_stopped(name) = "it waits, as {name} has stopped the synchronization: it is sent once {name} presses the Outlook button in the calendar";
    stands_changes_until_login(name) = "its changes wait until {name} logs in to Outlook again, with the Outlook button in the calendar";
    stands_resetting(name) = "it waits, as the account of {name} is being reset";
    stands_mails_wait(name) = "it waits, as Outlook would send many mails for it and others in the name of {name}, who has to agree first: in the calendar, under Outlook, Waiting for You";
    stands_trouble(name, reason) = "it waits, as the mailbox of {name} has a problem. {reason}";

    // What happened to an account.
    connected_as(login) = "connected to Outlook as {login}";
    stopped_syncing() = "stopped syncing";
    syncs_again() = "syncs again";
    reset_goes_on() = "logged in again: the reset goes on";
    was_reset(existing, next) = "was reset: existing events {existing}, next synchronization {next}";
    left_untouched() = "left untouched";
    deleted_in_outlook_alone() = "deleted from Outlook";
    deleted_in_odoo_alone() = "deleted from Odoo";
    deleted_in_both() = "deleted from both";
    only_new_events() = "only new events";
    all_existing_events() = "all existing events";
    user_deleted(login) = "the user was deleted in Odoo: the account is forgotten, and the events of {login} stay in Outlook as they are";
    user_archived(login) = "the user was archived in Odoo: the account is disconnected, and the events of {login} stay in Outlook as they are";
    removals_all(waiting, of) = "Outlook says that {waiting} of this user's {of} events were deleted. Nothing was removed from Odoo, and nothing more is fetched from Outlook, until an administrator decides in Settings, Calendar.";
    removals_some(all, of, earlier, waiting) = "Outlook says that {all} of this user's {of} events were deleted within an hour. {earlier} of them were archived in Odoo before there were that many; the other {waiting} were not, and nothing more is fetched from Outlook, until an administrator decides in Settings, Calendar.";
    removals_removed(n) = "{n} events were deleted in Outlook: an administrator decided to remove them from Odoo, too";
    removals_kept(n) = "{n} events were deleted in Outlook: an administrator decided to keep them in Odoo; they are no longer synced";
    chosen(events, mails, people, outside, withheld, left_out) = "chose for existing events with guests: {events} to Outlook with {mails} invitations to {people} people ({outside} outside), {withheld} to Outlook without their guests, {left_out} left out";
    mails_wait(mails, why) = "{mails} mails for changes that were collected wait for a yes, as {why}: nothing of it was sent";
    more_than(n) = "they are more than {n}";
    saved_by_others(n, names) = "some go to more than {n} people outside for what was saved by {names}";
    more_within_an_hour(n) = "this mailbox would send more than {n} within an hour";
    mails_sent(mails, events) = "{mails} mails for {events} events waited: somebody decided to send them";
    mails_not_sent(mails, events) = "{mails} mails for {events} events waited: somebody decided not to send them: each side keeps its own";
    window_narrowed(reason, back, ahead) = "Microsoft fails at listing the calendar in Outlook ({reason}): from now on it is read from {back} days back to {ahead} days ahead, and changes in Outlook beyond that do not come to Odoo. More is tried once a day; fewer series without an end help";
    calendar_is_gone(name, n) = "The further calendar “{name}” is no longer in Outlook: its events stay in Odoo ({n}), and do not change any more";
    calendar_is_left(name, n) = "The further calendar “{name}” is no longer chosen: its events stay in Odoo ({n}), and do not change any more";
    calendar_cannot_be_read_now(name, why) = "The further calendar “{name}” cannot be read now: {why}. It is tried again by itself; its events stay in Odoo as they are, and all else is synced";
    calendar_is_read_again(name) = "The further calendar “{name}” can be read again";
    calendar_not_permitted() = "Microsoft does not permit it";
    microsoft_does_not_answer() = "Microsoft does not answer";
    calendars_not_told(why) = "Outlook does not name its calendars now ({why}). These are the ones that were read last.";
    window_widened(back, ahead) = "More of the calendar in Outlook is tried again: from {back} days back to {ahead} days ahead";

    // Why an account needs its user.
    log_in_again() = "Log in to Outlook again.";
    log_in_after_reset() = "The account was reset: log in to Outlook to connect it again.";
    log_in_after_archiving() = "The user was archived in Odoo: whoever comes back logs in to Outlook again.";
    log_in_with_new_app() = "The app registration that Odoo uses has changed: log in to Outlook again.";
    login_not_accepted() = "Microsoft does not accept the earlier login any more: log in to Outlook again.";
    ask_administrator() = "An administrator of your organization's Microsoft 365 has to allow Odoo for everybody: in Odoo's settings, under Outlook Calendar, \"Grant for everybody…\" leads there.";
    consent_is_gone(ask) = "Microsoft has no consent any more for Odoo to use this calendar. Log in to Outlook again and accept. {ask}";
    only_administrators_allow(ask) = "Your organization does not let its people allow apps themselves. {ask} Then log in again.";
    login_cancelled(ask) = "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again. If Microsoft asked for an administrator's approval: {ask}";
    another_proof() = "Your organization asks for another proof of who you are (such as multi-factor authentication): log in to Outlook again.";
    rules_for_signing_in() = "Your organization's rules for signing in (Conditional Access) do not let Odoo into your mailbox. Log in to Outlook again; if it is refused there, ask whoever administers Microsoft 365.";
    account_disabled() = "Your Microsoft account is disabled. Ask whoever administers Microsoft 365, then log in to Outlook again.";
    login_has_ended() = "Your login at Microsoft has ended (a changed password, a policy, or a long pause): log in to Outlook again.";
    only_chosen_people() = "Your organization lets only chosen people use this app, and you are none of them yet. Ask whoever administers Microsoft 365 to assign you to it, then log in to Outlook again.";
    prove_again() = "Your organization's rules for signing in have changed, or you have moved to another place, and Microsoft wants to see you: log in to Outlook again. If it asks for that again and again, ask whoever administers Microsoft 365 to look at the Conditional Access policies.";
    log_in_after_unpairing() = "Odoo was unpaired from the Outlook bridge: log in to Outlook to connect the account again.";
    reset_progress(left, total) = "The account is being reset: {left:,} of {total:,} deletions in Outlook are left.";
    cannot_send(code) = "Microsoft lets this mailbox send no mail now ({code}): changes that guests are told of wait, all else goes on. Nothing is lost: what waits is tried again by itself, at growing intervals of up to six hours. Look into the inbox in Outlook on the web for what Microsoft asks you to do. If there is nothing, ask whoever administers Microsoft 365 whether the mailbox is restricted from sending, or has reached a sending limit.";
    is_full(code) = "This mailbox is full ({code}): new events and changes that guests are told of wait. Nothing is lost: what waits is tried again by itself, at growing intervals of up to six hours. Empty Deleted Items and Junk Email in Outlook, or ask whoever administers Microsoft 365 for more room.";
    window_is_narrow(start, end) = "Microsoft fails at listing all of this calendar: it is read from {start} to {end}, and changes in Outlook beyond that do not come to Odoo. More is tried once a day; fewer series without an end help.";
    calendar_refused() = "Microsoft refuses the calendar though the login is good: log in to Outlook again. If that does not help, an administrator must look in Entra whether the user is blocked, or a Conditional Access policy is in the way.";
    no_mailbox() = "This Microsoft account has no Outlook mailbox, or its license was removed.";
    mailbox_closed(code) = "Microsoft does not let the bridge into this mailbox now ({code}). What was edited is kept, and goes on by itself once it does. If it lasts, an administrator must look at the user's Exchange Online license, and at the policies on which apps may reach mailboxes.";
    tried_again(problem) = "{problem}. It is tried again by itself; an administrator must look only if it lasts.";
    calendar_cannot_be_read(problem) = "The calendar cannot be read: {problem}. An administrator must look into the bridge's log.";
    bridge_fails(account) = "The bridge fails at this mailbox. It tries again by itself; an administrator must look into its log (account {account}).";
    login_refused(problem) = "{problem}. Log in to Outlook again; if that does not help, an administrator must look at the app registration.";

    // What happened to the database.
    was_paired(name) = "“{name}” was paired with the Outlook bridge";
    was_paired_again(name) = "“{name}” was paired with the Outlook bridge again: both sides are compared anew, and nothing is written that is equal";
    wait_for_confirmation(said, moved, uuid) = "{said}. As {moved}, nothing is exchanged before it is confirmed where the bridge runs: outlook-bridge confirm {uuid}";
    has_another_address(now, before) = "its address is {now} (before: {before})";
    has_another_name(now, before) = "its name is “{now}” (before: “{before}”)";
    was_confirmed(moved) = "it was confirmed where the bridge runs that {moved}";
    was_unpaired() = "was unpaired from the Outlook bridge";
    has_new_key() = "has a new API key; the old one ends when this one is used";
    key_was_revoked() = "its API key was revoked on the Outlook bridge's side";
    copy_calls(copy, name) = "a database called “{copy}” calls with the key of “{name}”: it is a copy, or this one was renamed. It is shut out";
    was_paused() = "synchronization was paused";
    goes_on() = "synchronization goes on";
    allowed_for_everybody() = "An administrator of Microsoft 365 has allowed this Odoo for everybody in the organization";
    exchanges_fail(since, times) = "Nothing has been exchanged with this Odoo since {since:%F %T UTC}: the Outlook bridge fails each time ({times} times). What is saved in Odoo is kept. Its log says why, and so does 'outlook-bridge status' where it runs.";
    exchanges_succeed() = "exchanges succeed again";
    shut_out_until_confirmed(moved, uuid) = "This database was paired again, and {moved}. Nothing is exchanged until whoever runs the Outlook bridge confirms that it is the same one: outlook-bridge confirm {uuid}";
    histories_differ() = "Odoo and the Outlook bridge have different histories: one of them is a copy or was restored from a backup. Nothing is synced until an administrator pairs this database again in the settings.";
}
