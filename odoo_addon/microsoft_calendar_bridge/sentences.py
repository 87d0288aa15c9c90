# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The service's sentences, by their codes. This file is written by `python -m tools.sentences` from
src/words/say.rs."""

from .compat import LazyTranslate

_lt = LazyTranslate(__name__)

SENTENCES = {
    "listed": _lt("%(first)s, %(second)s"),
    "from_to": _lt("%(start)s to %(end)s"),
    "both": _lt("%(first)s; %(second)s"),
    "in_a_row": _lt("%(first)s %(second)s"),
    "about_title": _lt("“%(title)s”: %(what)s"),
    "about_occurrence": _lt("%(what)s (occurrence of %(date)s)"),
    "the_user": _lt("the user %(id)s"),
    "group_title": _lt("title"),
    "group_body": _lt("description"),
    "group_location": _lt("location"),
    "group_time": _lt("time"),
    "group_privacy": _lt("privacy"),
    "group_show_as": _lt("availability"),
    "group_reminder": _lt("reminder"),
    "group_video": _lt("video link"),
    "group_online": _lt("online meeting"),
    "group_attendees": _lt("attendees"),
    "privacy_normal": _lt("public"),
    "privacy_personal": _lt("personal"),
    "privacy_private": _lt("private"),
    "privacy_confidential": _lt("confidential"),
    "show_as_free": _lt("free"),
    "show_as_tentative": _lt("tentative"),
    "show_as_busy": _lt("busy"),
    "show_as_out_of_office": _lt("out of office"),
    "show_as_working_elsewhere": _lt("working elsewhere"),
    "show_as_unknown": _lt("unknown"),
    "no_reminder": _lt("none"),
    "minutes_before": _lt("%(minutes)s minutes before"),
    "is_online": _lt("Teams"),
    "is_not_online": _lt("not online"),
    "repeats_from": _lt("%(rule)s from %(time)s"),
    "brought_up_to_date": _lt("brought up to date"),
    "title_is_now": _lt("title is now “%(value)s”"),
    "title_removed": _lt("title removed"),
    "location_is_now": _lt("location is now “%(value)s”"),
    "location_removed": _lt("location removed"),
    "video_is_now": _lt("video link is now “%(value)s”"),
    "video_removed": _lt("video link removed"),
    "description_changed": _lt("description changed"),
    "moved_to": _lt("moved to %(time)s"),
    "privacy_is_now": _lt("privacy is now %(privacy)s"),
    "shown_as": _lt("shown as %(show_as)s"),
    "reminder_removed": _lt("reminder removed"),
    "reminder_before": _lt("reminder %(minutes)s minutes before"),
    "made_online": _lt("made a Teams meeting"),
    "no_longer_online": _lt("no longer a Teams meeting"),
    "invited": _lt("invited %(guests)s"),
    "no_longer_invited": _lt("no longer invited %(guests)s"),
    "has_not_answered": _lt("%(guest)s has not answered yet"),
    "has_accepted": _lt("%(guest)s accepted"),
    "may_come": _lt("%(guest)s may come"),
    "has_declined": _lt("%(guest)s declined"),
    "days": _lt("%(first)s to %(last)s"),
    "a_guest": _lt("a guest"),
    "proposes": _lt("“%(title)s”: %(who)s proposes another time, %(time)s: to take it, move the meeting"),
    "every_day": _lt("every day"),
    "every_week": _lt("every week"),
    "every_month": _lt("every month"),
    "every_year": _lt("every year"),
    "every_days": _lt("every %(n)s days"),
    "every_weeks": _lt("every %(n)s weeks"),
    "every_months": _lt("every %(n)s months"),
    "every_years": _lt("every %(n)s years"),
    "on_weekdays": _lt("%(every)s on %(days)s"),
    "on_day_of_month": _lt("%(every)s on day %(day)s"),
    "on_nth": _lt("%(every)s on the %(nth)s"),
    "on_date": _lt("%(every)s on %(day)s %(month)s"),
    "on_nth_of_month": _lt("%(every)s on the %(nth)s of %(month)s"),
    "nth_first": _lt("first %(day)s"),
    "nth_second": _lt("second %(day)s"),
    "nth_third": _lt("third %(day)s"),
    "nth_fourth": _lt("fourth %(day)s"),
    "nth_last": _lt("last %(day)s"),
    "any_day": _lt("day"),
    "workday": _lt("workday"),
    "weekend_day": _lt("day of a weekend"),
    "of_weekdays": _lt("of %(days)s"),
    "rule_once": _lt("%(rule)s, once"),
    "rule_times": _lt("%(rule)s, %(count)s times"),
    "rule_until": _lt("%(rule)s, until %(date)s"),
    "made_in_outlook_at": _lt("made in Outlook, %(time)s"),
    "made_in_outlook_repeating": _lt("made in Outlook: %(rule)s"),
    "made_in_odoo_at": _lt("made in Odoo from Outlook, %(time)s"),
    "made_in_odoo_repeating": _lt("made in Odoo from Outlook: %(rule)s"),
    "words_for_pictures": _lt(
        "%(what)s · words stand for the pictures, which are attached to an earlier event in Outlook"
    ),
    "from_odoo": _lt("%(what)s · from Odoo"),
    "from_outlook": _lt("%(what)s · from Outlook"),
    "repeats_now": _lt("now %(rule)s"),
    "changed_for_all": _lt("%(groups)s changed for all"),
    "occurrence_changed": _lt("%(groups)s of the %(date)s changed"),
    "occurrence_taken_out": _lt("the occurrence of %(date)s was taken out in Odoo, and now in Outlook"),
    "occurrences_changed": _lt("%(dates)s changed"),
    "occurrences_taken_out": _lt("%(dates)s taken out"),
    "occurrences_brought_back": _lt("%(dates)s brought back"),
    "and_others": _lt("%(dates)s and others"),
    "no_longer_repeats": _lt("no longer repeats"),
    "deleted_from_outlook": _lt("deleted in Odoo, and now from Outlook"),
    "archived_in_odoo": _lt("deleted in Outlook, and archived in Odoo"),
    "back_on_both_sides": _lt("is in Outlook again, and back in Odoo"),
    "put_back_in_odoo": _lt("put back in Odoo, as somebody asked for it"),
    "is_to_be_put_back": _lt("is to be put back, as somebody asked for it"),
    "deleted_from_outlook_by_reset": _lt("deleted from Outlook by the reset"),
    "deleted_from_odoo_by_reset": _lt("deleted from Odoo by the reset"),
    "handed_over": _lt("handed over to %(login)s: cancelled here, and made in the new organizer's mailbox next"),
    "without_attachments": _lt("%(what)s, without its attachments, which are in Deleted Items here"),
    "given_apart": _lt(
        "given to another organizer in Odoo: %(dates)s. A series has one in Outlook, so it is an event of its own now"
    ),
    "restored_apart": _lt(
        "back in Odoo: %(dates)s. Outlook cannot bring back an occurrence, so it is an event of its own now, on both "
        "sides"
    ),
    "goes_on_without_attachments": _lt(
        "goes on as a series of its own in Outlook, to which its attachments are not attached"
    ),
    "answered_in_odoo": _lt("%(answer)s in Odoo · Outlook tells the organizer"),
    "answered_occurrence_in_odoo": _lt(
        "%(answer)s in Odoo, to the occurrence of %(date)s · Outlook tells the organizer"
    ),
    "odoo_invites": _lt("Odoo invites the guests, as Outlook does not have it"),
    "with_mails": _lt("%(what)s · %(mails)s"),
    "saved_by": _lt("%(what)s · saved by %(names)s"),
    "no_mail": _lt("no mail"),
    "outlook_sends": _lt("Outlook sends %(mails)s"),
    "one_invitation": _lt("1 invitation"),
    "invitations": _lt("%(n)s invitations"),
    "one_update": _lt("1 update"),
    "updates": _lt("%(n)s updates"),
    "one_cancellation": _lt("1 cancellation"),
    "cancellations": _lt("%(n)s cancellations"),
    "kept_odoos": _lt("%(what)s changed on both sides: kept Odoo’s “%(kept)s”, Outlook had “%(other)s”"),
    "kept_outlooks": _lt("%(what)s changed on both sides: kept Outlook’s “%(kept)s”, Odoo had “%(other)s”"),
    "keeps_text": _lt(
        "the description was changed in Odoo, which has only the beginning of Outlook's: that stays as it is, and is "
        "edited in Outlook alone"
    ),
    "keeps_guests": _lt(
        "the guests were changed in Odoo, but Outlook names one of them by an internal path of Exchange and no "
        "address, and may not take that back: its list stays as it is, and is edited in Outlook alone"
    ),
    "unreachable": _lt("%(name)s has no mail address that Outlook can use, and is a guest in Odoo alone"),
    "guests_without_address": _lt("%(names)s without a mail address stay in Outlook alone, all else is synced"),
    "may_not_answer": _lt(
        "%(who)s set in Odoo that %(answer)s, and may not answer for them: nothing was sent, and Outlook’s answer "
        "counts (%(kept)s)"
    ),
    "answer_none": _lt("needsAction"),
    "answer_accepted": _lt("accepted"),
    "answer_tentative": _lt("tentative"),
    "answer_declined": _lt("declined"),
    "occurrences_differ": _lt(
        "single occurrences were changed (%(dates)s), but Odoo and Outlook repeat this series differently: each side "
        "keeps its own"
    ),
    "not_shown_yet": _lt("was changed in Odoo: Outlook gets it once the organizer's mailbox has shown the meeting"),
    "organizer_not_connected": _lt("the organizer's mailbox is not connected"),
    "groups_changed_but": _lt("%(groups)s changed in Odoo, but %(why)s: Outlook keeps its own"),
    "changed_but": _lt("was changed in Odoo, but %(why)s"),
    "outlook_keeps": _lt("%(why)s: Outlook keeps its own"),
    "occurrence_crosses": _lt(
        "Outlook does not let the occurrence of %(date)s be on %(to)s: the one of %(neighbor)s is on %(theirs)s"
    ),
    "cannot_bring_back": _lt(
        "Outlook cannot bring back the occurrence of %(date)s, which was taken out of the series"
    ),
    "written_too_often": _lt(
        "was written %(times)s times within an hour, which no person does: what is left to write waits until "
        "%(until)s. If nobody changes it so often, look for a rule or another program that does"
    ),
    "not_online": _lt(
        "Outlook did not make a Teams meeting of it: this mailbox cannot hold any. The event is synced without a link "
        "to join"
    ),
    "has_vanished": _lt(
        "“%(title)s” has left the calendar in Outlook, which does not say why: it counts as declined, and stays in "
        "Odoo. If its organizer has cancelled it, archive it in Odoo"
    ),
    "each_on_its_own": _lt(
        "Odoo cannot repeat it as Outlook does: %(reason)s. Each occurrence is synced as an event of its own"
    ),
    "is_not_synced": _lt("is not synced: %(reason)s"),
    "reason_kept_in_odoo": _lt(
        "It was deleted in Outlook, and it was decided to keep it in Odoo. To have it in Outlook again, duplicate it"
    ),
    "reason_unsent": _lt(
        "Its changes were not sent to Outlook, as somebody decided so: each side keeps its own until it is saved in "
        "Odoo again"
    ),
    "reason_organizer_unconnected": _lt(
        "Its organizer was changed in Odoo to somebody whose mailbox is not connected, and Outlook cannot hand a "
        "meeting over: each side keeps its own. To hand it over, let the new organizer connect to Outlook, then save "
        "it again"
    ),
    "reason_organizer_restored": _lt(
        "Odoo was restored to a time before this meeting was given to another organizer, in whose mailbox it is: each "
        "side keeps its own. Save the organizer whom it is to have in Odoo once more"
    ),
    "reason_organizer_asleep": _lt(
        "Its organizer was changed in Odoo: it is handed over once the new one's synchronization runs again"
    ),
    "reason_waits_for_choice": _lt(
        "It existed before its organizer connected to Outlook and has guests: it stays in Odoo alone until its "
        "organizer has chosen, so that nobody is invited by surprise. The choice is in the calendar, under Outlook, "
        "Waiting for You"
    ),
    "reason_waits_for_choice_again": _lt(
        "It is in Odoo again, as in a restored backup, and has guests: it stays in Odoo alone until its organizer has "
        "chosen, so that nobody is invited to what had been deleted. The choice is in the calendar, under Outlook, "
        "Waiting for You"
    ),
    "reason_left_out": _lt(
        "It existed before its organizer connected to Outlook and has guests, and was left out: it stays in Odoo alone"
    ),
    "reason_not_its_organizers": _lt(
        "It came to Odoo by an invitation in somebody else's mailbox, and the mailbox of whom that named as its "
        "organizer has never shown it: it stays in Odoo alone. To have it in Outlook, duplicate it in Odoo"
    ),
    "reason_not_in_mailbox": _lt(
        "Odoo's own synchronization had linked it with an event that is not in the mailbox any more: it stays in Odoo "
        "alone, so that nobody is invited anew"
    ),
    "reason_not_chosen": _lt(
        "It is left out by choice: %(choice)s. What is synced is chosen in the preferences and, for everybody, in the "
        "settings: press What Is Synced"
    ),
    "choice_only_to_odoo": _lt("changes go only to Odoo"),
    "choice_only_to_outlook": _lt("changes go only to Outlook"),
    "choice_private": _lt("it is private"),
    "choice_free": _lt("it is shown as free"),
    "choice_not_accepted": _lt("the invitation is not accepted"),
    "choice_category": _lt("it has the category “%(category)s”"),
    "choice_title": _lt("its title contains “%(word)s”"),
    "choice_earlier": _lt("it ended before %(date)s"),
    "choice_further_calendar": _lt("it is in a further calendar of Outlook, which comes only to Odoo"),
    "choice_calendar_not_chosen": _lt("it is in a further calendar of Outlook that is not chosen"),
    "stays_in_outlook": _lt("was deleted in Odoo, and stays in Outlook: by choice it is not synced: %(choice)s"),
    "stays_in_odoo": _lt("was deleted in Outlook, and stays in Odoo: by choice it is not synced: %(choice)s"),
    "chosen_anew": _lt("what is synced was chosen anew"),
    "chosen_anew_for_everybody": _lt("what is left out for everybody was chosen anew"),
    "reason_excluded": _lt("A rule of this Odoo, set by another add-on, keeps it out of Outlook"),
    "reason_too_old": _lt(
        "It ended more than %(days)s days ago, and what is older is not sent to Outlook. An administrator sets that in"
        " Settings, Calendar"
    ),
    "why_excluded": _lt("a rule of this Odoo, set by another add-on, keeps it out of Outlook"),
    "why_too_old": _lt("it ended more than %(days)s days ago, and what is older is not sent to Outlook"),
    "reason_odoo_cannot_repeat": _lt("Odoo cannot repeat it as Outlook does: %(problem)s"),
    "reason_outlook_cannot_repeat": _lt(
        "Outlook cannot repeat it so: %(problem)s. To have it in Outlook, let it repeat in another way"
    ),
    "reason_later_part_repeats_differently": _lt(
        "It began so long ago that Odoo shows only its later part, which now repeats differently: change it in "
        "Outlook, or end it and make a new one"
    ),
    "reason_description_too_large": _lt(
        "Its description is too large for Outlook (%(megabytes)s MB, and 2 MB are the most): shorten it, or attach its"
        " pictures"
    ),
    "reason_does_not_stick_in_outlook": _lt(
        "Outlook was told the same twice and shows something else, though nobody has changed it: each side keeps its "
        "own until somebody does"
    ),
    "reason_does_not_stick_in_odoo": _lt(
        "Odoo was told the same twice and shows something else, though nobody has changed it: each side keeps its own "
        "until somebody does"
    ),
    "reason_came_too_late": _lt(
        "Whatever Odoo was told of it came too late, as its record was another one by then, though nobody has saved "
        "it: each side keeps its own until somebody does"
    ),
    "reason_refused_by_odoo": _lt("Odoo refused it: %(problem)s. It is tried again when it is changed"),
    "reason_lost_in_odoo": _lt(
        "Odoo does not have it any more, and nobody is known to have deleted it: Outlook keeps it"
    ),
    "reason_not_taken_over": _lt("What Odoo has told of it last cannot be taken over: %(problem)s"),
    "reason_refused_by_outlook": _lt("Outlook refused it: %(problem)s. It is tried again when it is changed"),
    "reason_refused_for_now": _lt(
        "Outlook refuses it now: %(problem)s. It is tried again once a day, and when it is changed"
    ),
    "reason_unreadable_in_odoo": _lt("What Odoo has of it cannot be synced: %(problem)s. Correct it in Odoo"),
    "reason_unreadable_in_outlook": _lt("What Outlook has of it cannot be read: %(problem)s. Correct it in Outlook"),
    "reason_in_vain": _lt("Microsoft fails at it each time; it is tried again once a day"),
    "reason_unreadable_row": _lt("Outlook sent something that cannot be read: %(problem)s"),
    "reason_too_slow_to_read": _lt("Its description takes too long to read. Shorten it in Outlook"),
    "reason_without_uid": _lt(
        "Outlook gives it no iCalUId, by which the same meeting is known in all mailboxes. If it stays so, copy the "
        "event in Outlook and delete this one"
    ),
    "reason_not_stored": _lt("The bridge could not store it; its log says why"),
    "reason_answer_not_stored": _lt("The bridge could not store Outlook's answer; its log says why"),
    "reason_not_planned": _lt("The bridge cannot read what it has stored of this event; its log says why"),
    "reason_no_time": _lt("There was no time to look at it yet"),
    "reason_of_another_version": _lt(
        "The bridge was upgraded or set back meanwhile, and does not know the reason any more"
    ),
    "cannot_be_read_now": _lt("An event in Outlook cannot be read now, and is tried again: %(reason)s"),
    "cannot_be_looked_up": _lt("cannot be looked up in Outlook now, and is tried again: %(reason)s"),
    "links_cannot_be_looked_up": _lt(
        "What Odoo's own synchronization had linked cannot be looked up in the mailbox now, and is tried again; until "
        "then nothing of the mailbox is made in Odoo: %(reason)s"
    ),
    "links_are_gone": _lt(
        "%(n)s event(s) that Odoo's own synchronization had linked are not in the mailbox any more: they stay in Odoo "
        "alone"
    ),
    "change_not_taken": _lt(
        "The Outlook bridge could not take over the last change of this event. It is tried again by itself; saving the"
        " event once more does so at once. Why it failed is in the bridge's journal."
    ),
    "events_not_compared": _lt(
        "what Odoo has told of this user's events could not be compared with Outlook; it is tried again: %(problem)s"
    ),
    "odoo_gave_no_reason": _lt("Odoo gave no reason"),
    "not_taken_over_now": _lt("could not be taken over from Odoo; it is tried again: %(problem)s"),
    "form_short_months": _lt(
        "it is on day %(day)s: months without one have it on their last day in Outlook, and not at all in Odoo"
    ),
    "form_several_days": _lt("Odoo has no “first of several weekdays of a month”"),
    "form_week_start": _lt("it counts every %(interval)s. week from %(counted)s, and Odoo from %(odoo)s"),
    "form_counted_in_utc": _lt("Odoo counts weeks and months in UTC, where the first occurrence is in another one"),
    "form_other_hour": _lt(
        "Odoo would go on at another hour than the first occurrence has, as its zone's clock changes about then"
    ),
    "form_interval": _lt("Outlook cannot say an interval of %(interval)s; the largest is %(largest)s"),
    "form_unreadable": _lt("its rule cannot be read: %(problem)s"),
    "form_no_date": _lt("its rule has no date"),
    "unreadable_value": _lt("it cannot be read: %(problem)s"),
    "unreadable_last_day": _lt("its last day is out of range"),
    "unreadable_no_time": _lt("it has no time in the field “%(field)s”"),
    "unreadable_time": _lt("its time in the field “%(field)s” cannot be read: %(value)s"),
    "unreadable_zone": _lt("its time in the field “%(field)s” is in a time zone of its own making: %(zone)s"),
    "unreadable_ends_first": _lt("it ends before it begins"),
    "unreadable_slot": _lt("it cannot be told which occurrence was changed or taken out"),
    "unreadable_series_zone": _lt("its time zone has no name, and none that its mailbox uses has its hours"),
    "unreadable_no_occurrence": _lt("it has no occurrence"),
    "microsoft_forbids": _lt("Microsoft does not allow this (%(code)s)"),
    "microsoft_misses_it": _lt("Microsoft does not find the event in this mailbox"),
    "microsoft_finds_no_way": _lt("Microsoft cannot find the way to this now (%(code)s)"),
    "microsoft_gave_up": _lt("Microsoft has failed at this each time (%(reason)s)"),
    "microsoft_saw_a_change": _lt("The event was changed at the same time"),
    "microsoft_has_made_it": _lt("Microsoft has made this event before"),
    "microsoft_has_forgotten": _lt("Microsoft has forgotten where the synchronization was"),
    "microsoft_slows_down": _lt("Microsoft asks to slow down"),
    "microsoft_failed": _lt("Microsoft could not be reached or failed (%(reason)s)"),
    "microsoft_refused": _lt("Microsoft refused this (%(status)s %(code)s)"),
    "setting_client_id": _lt("Client ID"),
    "setting_client_secret": _lt("Client Secret"),
    "setting_tenant_id": _lt("Tenant ID"),
    "app_refused": _lt("Microsoft refuses the %(setting)s in the settings: %(problem)s"),
    "app_not_accepted": _lt("Microsoft does not accept the app registration in the settings"),
    "app_of_company": _lt("It is this company's own app registration."),
    "app_secret_expires": _lt("The secret was entered as expiring on %(date)s."),
    "app_remedy": _lt(
        "An administrator puts it right in Settings, Calendar, Outlook Calendar; nobody has to log in again for it."
    ),
    "sign_in_failed": _lt("Microsoft's login could not be reached or failed: %(problem)s"),
    "sign_in_refused": _lt("Microsoft refuses the login (%(error)s): %(problem)s"),
    "microsoft_says": _lt("%(words)s Microsoft says: %(said)s"),
    "refusal_old_login": _lt(
        "This login has expired, or was started elsewhere. Press the Outlook button in the calendar to start again."
    ),
    "refusal_nothing_allowed": _lt("Nothing was allowed for everybody, and everything is as it was."),
    "refusal_no_answer": _lt("Microsoft sent neither a code nor an error. Press the Outlook button to try again."),
    "refusal_cancelled": _lt(
        "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again."
    ),
    "refusal_of_login": _lt("Microsoft refused the login: %(said)s"),
    "refusal_of_settings": _lt("Microsoft does not accept the settings of this Odoo: %(words)s"),
    "refusal_login_failed": _lt("The login did not succeed: %(problem)s"),
    "refusal_nobody": _lt("Microsoft did not say who logged in. Press the Outlook button to try again."),
    "refusal_no_lasting_permission": _lt(
        "Microsoft gave no lasting permission for the calendar (offline_access, Calendars.ReadWrite). An administrator"
        " must check the app registration's API permissions."
    ),
    "refusal_taken": _lt("The mailbox %(login)s is connected already, by another user of this Odoo."),
    "refusal_reset_goes_on": _lt(
        "This account is being reset: events of %(login)s are still being deleted from Outlook. Log in again when that"
        " is done."
    ),
    "refusal_reset_waits": _lt(
        "This account is being reset: events of %(login)s are still being deleted from Outlook. Log in as %(login)s "
        "once more to let it end, or ask an administrator to reset the account again."
    ),
    "refusal_two_logins": _lt(
        "This account was logged in to at the same time. Press the Outlook button to see where it stands."
    ),
    "refusal_not_configured": _lt(
        "Outlook is not configured: an administrator must enter Client ID and Client Secret in Settings, Calendar."
    ),
    "refusal_client_id": _lt(
        "Client ID: this is not an Application (client) ID. Copy it from the app registration's overview page."
    ),
    "refusal_tenant": _lt(
        "Tenant ID: “%(tenant)s” is neither a Directory (tenant) ID nor a domain. Copy it from the app registration's "
        "overview page, or leave it empty for an app that any organization can use."
    ),
    "refusal_date": _lt("Secret expires on: “%(date)s” is not a date like 2027-11-22."),
    "refusal_never_connected": _lt(
        "This user has never connected to Outlook. Connect first, then choose what is synced."
    ),
    "refusal_not_connected": _lt(
        "This user is not connected to Outlook: press the Outlook button in the calendar first."
    ),
    "refusal_nothing_to_reset": _lt("This user is not connected to Outlook: there is nothing to reset."),
    "refusal_reset_shut_out": _lt(
        "This database is shut out, as it may be a copy: nothing is deleted for it. Pair it again first, in Settings, "
        "Calendar."
    ),
    "refusal_reset_without_login": _lt(
        "This user's login at Microsoft is not valid any more, so nothing can be deleted from Outlook. Let the user "
        "log in again first, or choose to leave the events in Outlook."
    ),
    "refusal_nothing_waits": _lt(
        "Nothing waits for an answer here: it was given already, or this user is not connected to Outlook."
    ),
    "refusal_event_waits_not": _lt(
        "This event does not wait for anything: its guests were invited already, or it is not synced."
    ),
    "refusal_mails_answered": _lt("No mails wait for an answer here: it was given already."),
    "refusal_value_forgotten": _lt("The value that was not kept is not known any more."),
    "refusal_takes_too_long": _lt("This search takes too long: look for less at a time."),
    "refusal_busy": _lt(
        "The Outlook bridge is busy with other calls of this database. Nothing is lost: it is tried again."
    ),
    "refusal_choices_neither": _lt("Direction: stop the synchronization instead of choosing neither."),
    "refusal_choices_title": _lt("Private events: what is shown in their place needs a title."),
    "refusal_choices_many": _lt("At most %(most)s categories and words of titles can be named."),
    "refusal_choices_calendars": _lt("At most %(most)s further calendars can be chosen."),
    "refusal_choices_calendars_offered": _lt("An administrator does not offer further calendars. Leave them out."),
    "refusal_choices_calendars_everybody": _lt(
        "Further calendars are chosen by whose mailbox it is, and not for everybody."
    ),
    "refusal_choices_calendar_gone": _lt(
        "One of these calendars is not in Outlook any more. Close this and open it again."
    ),
    "refusal_choices_calendar": _lt("A further calendar has no valid id."),
    "refusal_choices_empty": _lt("A category or a word of a title is empty."),
    "refusal_choices_long": _lt("“%(begin)s…” is longer than %(most)s characters."),
    "refusal_window": _lt(
        "Window: events are exchanged at most %(back)s days back and %(ahead)s days ahead; 0 is what the Outlook "
        "bridge is configured with."
    ),
    "refusal_sent_back": _lt("Old events: the number of days is 0 (however old) to %(most)s."),
    "refusal_created_from": _lt("Created since: “%(time)s” is not a time like 2026-11-22 10:00:00."),
    "refusal_removals": _lt(
        "Removals to confirm: the number of events must not be negative, and the share is 0 to 100 percent."
    ),
    "refusal_mails": _lt("Mails to confirm: the numbers must not be negative."),
    "refusal_base_url": _lt(
        "web.base.url: “%(url)s” is not an address like https://odoo.example.com, without user, password, ? and #"
    ),
    "refusal_more_invitations": _lt(
        "Outlook would send %(now)s invitations now, not %(announced)s: look at the preview again. Nothing was sent."
    ),
    "refusal_more_mails": _lt(
        "Outlook would send %(now)s mails now, more than were announced: look at them again. Nothing was sent."
    ),
    "refusal_others_invited": _lt("Other people would be invited now: look at it again."),
    "refusal_no_form": _lt(
        "It has no form that Odoo can show: all of it may be past, or Odoo cannot repeat as it does."
    ),
    "refusal_not_deleted": _lt("This event was not deleted, or has been forgotten since."),
    "refusal_put_back": _lt("“%(title)s” cannot be put back: %(obstacle)s"),
    "obstacle_asked_already": _lt("that was asked for already, and happens when Odoo calls next"),
    "obstacle_not_deleted": _lt("it is not deleted, or its deletion is still under way"),
    "obstacle_forgotten": _lt("it was over so long ago that its content is forgotten"),
    "obstacle_never_in_odoo": _lt("Odoo never had it"),
    "obstacle_still_in_odoo": _lt("Odoo has it still"),
    "obstacle_of_somebody_else": _lt("somebody else's mailbox has it, and only its organizer can invite to it again"),
    "obstacle_never_connected": _lt("its organizer was never connected to Outlook"),
    "obstacle_not_logged_in": _lt("its organizer has to log in to Outlook first"),
    "everybody_may_connect": _lt(
        "Everybody in your organization may now connect their Outlook calendar to this Odoo, and is no longer asked to"
        " allow it. Each person still logs in once, with the Outlook button in their calendar."
    ),
    "stands_not_synced": _lt("it is not synced. %(reason)s"),
    "stands_attachments_at": _lt("it has attachments in Outlook, which are seen there alone: %(link)s"),
    "stands_attachments": _lt("it has attachments in Outlook, which are seen there alone"),
    "stands_outlook_differs_as": _lt("it was changed in Outlook and is another one in Odoo, as %(reason)s"),
    "stands_differs_as": _lt("it was changed in Odoo and is another one in Outlook, as %(reason)s"),
    "stands_until_shown": _lt("it was changed in Odoo, and goes to Outlook once its organizer's mailbox has shown it"),
    "stands_differs_unconnected": _lt(
        "it was changed in Odoo and is another one in Outlook, as its organizer's mailbox is not connected"
    ),
    "stands_without_organizer": _lt("it is in Odoo alone, as nobody organizes it: choose an organizer"),
    "its_organizer": _lt("its organizer"),
    "stands_changes_on_their_way": _lt("its changes are on their way to Outlook"),
    "stands_only_new": _lt(
        "it is in Odoo alone, as %(name)s chose to sync only what is new. To have it in Outlook, duplicate it"
    ),
    "stands_too_early": _lt(
        "it is in Odoo alone, as it was created before the date from which on events go to Outlook (in the settings). "
        "To have it in Outlook, duplicate it"
    ),
    "stands_on_its_way": _lt("it is on its way to Outlook"),
    "stands_until_login": _lt(
        "it is in Odoo alone until %(name)s logs in to Outlook again, with the Outlook button in the calendar"
    ),
    "stands_unconnected": _lt(
        "it is in Odoo alone, as its organizer, %(name)s, is not connected to Outlook. To connect, %(name)s presses "
        "the Outlook button in the calendar"
    ),
    "stands_never_connected": _lt(
        "it is in Odoo alone, as its organizer is not connected to Outlook. To connect, the organizer presses the "
        "Outlook button in the calendar"
    ),
    "stands_comparing": _lt("it is not known yet whether Outlook has it: the calendars are still being compared"),
    "stands_outside": _lt(
        "it is in Odoo alone, as it is from before the connection to Outlook and lies outside of the days that are "
        "synced. To have it in Outlook, duplicate it"
    ),
    "stands_archived": _lt("it is archived in Odoo, and therefore not in Outlook. To have it in both, unarchive it"),
    "stands_removal_on_its_way": _lt("it was deleted in Outlook, and leaves Odoo soon"),
    "stands_removal_waits": _lt(
        "it was deleted in Outlook, together with many others: it stays in Odoo until an administrator has decided "
        "about them in Settings, Calendar"
    ),
    "stands_shut_out": _lt(
        "it waits, as nothing is synced for anybody, for safety: administrators read why in Settings, Calendar, "
        "Outlook Calendar"
    ),
    "stands_paused": _lt(
        "it waits, as an administrator has paused the synchronization for everybody: it is sent once that is over"
    ),
    "stands_stopped": _lt(
        "it waits, as %(name)s has stopped the synchronization: it is sent once %(name)s presses the Outlook button in"
        " the calendar"
    ),
    "stands_changes_until_login": _lt(
        "its changes wait until %(name)s logs in to Outlook again, with the Outlook button in the calendar"
    ),
    "stands_resetting": _lt("it waits, as the account of %(name)s is being reset"),
    "stands_mails_wait": _lt(
        "it waits, as Outlook would send many mails for it and others in the name of %(name)s, who has to agree first:"
        " in the calendar, under Outlook, Waiting for You"
    ),
    "stands_trouble": _lt("it waits, as the mailbox of %(name)s has a problem. %(reason)s"),
    "connected_as": _lt("connected to Outlook as %(login)s"),
    "stopped_syncing": _lt("stopped syncing"),
    "syncs_again": _lt("syncs again"),
    "reset_goes_on": _lt("logged in again: the reset goes on"),
    "was_reset": _lt("was reset: existing events %(existing)s, next synchronization %(next)s"),
    "left_untouched": _lt("left untouched"),
    "deleted_in_outlook_alone": _lt("deleted from Outlook"),
    "deleted_in_odoo_alone": _lt("deleted from Odoo"),
    "deleted_in_both": _lt("deleted from both"),
    "only_new_events": _lt("only new events"),
    "all_existing_events": _lt("all existing events"),
    "user_deleted": _lt(
        "the user was deleted in Odoo: the account is forgotten, and the events of %(login)s stay in Outlook as they "
        "are"
    ),
    "user_archived": _lt(
        "the user was archived in Odoo: the account is disconnected, and the events of %(login)s stay in Outlook as "
        "they are"
    ),
    "removals_all": _lt(
        "Outlook says that %(waiting)s of this user's %(of)s events were deleted. Nothing was removed from Odoo, and "
        "nothing more is fetched from Outlook, until an administrator decides in Settings, Calendar."
    ),
    "removals_some": _lt(
        "Outlook says that %(all)s of this user's %(of)s events were deleted within an hour. %(earlier)s of them were "
        "archived in Odoo before there were that many; the other %(waiting)s were not, and nothing more is fetched "
        "from Outlook, until an administrator decides in Settings, Calendar."
    ),
    "removals_removed": _lt(
        "%(n)s events were deleted in Outlook: an administrator decided to remove them from Odoo, too"
    ),
    "removals_kept": _lt(
        "%(n)s events were deleted in Outlook: an administrator decided to keep them in Odoo; they are no longer "
        "synced"
    ),
    "chosen": _lt(
        "chose for existing events with guests: %(events)s to Outlook with %(mails)s invitations to %(people)s people "
        "(%(outside)s outside), %(withheld)s to Outlook without their guests, %(left_out)s left out"
    ),
    "mails_wait": _lt(
        "%(mails)s mails for changes that were collected wait for a yes, as %(why)s: nothing of it was sent"
    ),
    "more_than": _lt("they are more than %(n)s"),
    "saved_by_others": _lt("some go to more than %(n)s people outside for what was saved by %(names)s"),
    "more_within_an_hour": _lt("this mailbox would send more than %(n)s within an hour"),
    "mails_sent": _lt("%(mails)s mails for %(events)s events waited: somebody decided to send them"),
    "mails_not_sent": _lt(
        "%(mails)s mails for %(events)s events waited: somebody decided not to send them: each side keeps its own"
    ),
    "window_narrowed": _lt(
        "Microsoft fails at listing the calendar in Outlook (%(reason)s): from now on it is read from %(back)s days "
        "back to %(ahead)s days ahead, and changes in Outlook beyond that do not come to Odoo. More is tried once a "
        "day; fewer series without an end help"
    ),
    "calendar_is_gone": _lt(
        "The further calendar “%(name)s” is no longer in Outlook: its events stay in Odoo (%(n)s), and do not change "
        "any more"
    ),
    "calendar_is_left": _lt(
        "The further calendar “%(name)s” is no longer chosen: its events stay in Odoo (%(n)s), and do not change any "
        "more"
    ),
    "calendar_cannot_be_read_now": _lt(
        "The further calendar “%(name)s” cannot be read now: %(why)s. It is tried again by itself; its events stay in "
        "Odoo as they are, and all else is synced"
    ),
    "calendar_is_read_again": _lt("The further calendar “%(name)s” can be read again"),
    "calendar_not_permitted": _lt("Microsoft does not permit it"),
    "microsoft_does_not_answer": _lt("Microsoft does not answer"),
    "calendars_not_told": _lt(
        "Outlook does not name its calendars now (%(why)s). These are the ones that were read last."
    ),
    "window_widened": _lt(
        "More of the calendar in Outlook is tried again: from %(back)s days back to %(ahead)s days ahead"
    ),
    "log_in_again": _lt("Log in to Outlook again."),
    "log_in_after_reset": _lt("The account was reset: log in to Outlook to connect it again."),
    "log_in_after_archiving": _lt("The user was archived in Odoo: whoever comes back logs in to Outlook again."),
    "log_in_with_new_app": _lt("The app registration that Odoo uses has changed: log in to Outlook again."),
    "login_not_accepted": _lt("Microsoft does not accept the earlier login any more: log in to Outlook again."),
    "ask_administrator": _lt(
        "An administrator of your organization's Microsoft 365 has to allow Odoo for everybody: in Odoo's settings, "
        "under Outlook Calendar, \"Grant for everybody…\" leads there."
    ),
    "consent_is_gone": _lt(
        "Microsoft has no consent any more for Odoo to use this calendar. Log in to Outlook again and accept. %(ask)s"
    ),
    "only_administrators_allow": _lt(
        "Your organization does not let its people allow apps themselves. %(ask)s Then log in again."
    ),
    "login_cancelled": _lt(
        "The login at Microsoft was cancelled, so nothing was connected. Press the Outlook button to try again. If "
        "Microsoft asked for an administrator's approval: %(ask)s"
    ),
    "another_proof": _lt(
        "Your organization asks for another proof of who you are (such as multi-factor authentication): log in to "
        "Outlook again."
    ),
    "rules_for_signing_in": _lt(
        "Your organization's rules for signing in (Conditional Access) do not let Odoo into your mailbox. Log in to "
        "Outlook again; if it is refused there, ask whoever administers Microsoft 365."
    ),
    "account_disabled": _lt(
        "Your Microsoft account is disabled. Ask whoever administers Microsoft 365, then log in to Outlook again."
    ),
    "login_has_ended": _lt(
        "Your login at Microsoft has ended (a changed password, a policy, or a long pause): log in to Outlook again."
    ),
    "only_chosen_people": _lt(
        "Your organization lets only chosen people use this app, and you are none of them yet. Ask whoever administers"
        " Microsoft 365 to assign you to it, then log in to Outlook again."
    ),
    "prove_again": _lt(
        "Your organization's rules for signing in have changed, or you have moved to another place, and Microsoft "
        "wants to see you: log in to Outlook again. If it asks for that again and again, ask whoever administers "
        "Microsoft 365 to look at the Conditional Access policies."
    ),
    "log_in_after_unpairing": _lt(
        "Odoo was unpaired from the Outlook bridge: log in to Outlook to connect the account again."
    ),
    "reset_progress": _lt("The account is being reset: %(left)s of %(total)s deletions in Outlook are left."),
    "cannot_send": _lt(
        "Microsoft lets this mailbox send no mail now (%(code)s): changes that guests are told of wait, all else goes "
        "on. Nothing is lost: what waits is tried again by itself, at growing intervals of up to six hours. Look into "
        "the inbox in Outlook on the web for what Microsoft asks you to do. If there is nothing, ask whoever "
        "administers Microsoft 365 whether the mailbox is restricted from sending, or has reached a sending limit."
    ),
    "is_full": _lt(
        "This mailbox is full (%(code)s): new events and changes that guests are told of wait. Nothing is lost: what "
        "waits is tried again by itself, at growing intervals of up to six hours. Empty Deleted Items and Junk Email "
        "in Outlook, or ask whoever administers Microsoft 365 for more room."
    ),
    "window_is_narrow": _lt(
        "Microsoft fails at listing all of this calendar: it is read from %(start)s to %(end)s, and changes in Outlook"
        " beyond that do not come to Odoo. More is tried once a day; fewer series without an end help."
    ),
    "calendar_refused": _lt(
        "Microsoft refuses the calendar though the login is good: log in to Outlook again. If that does not help, an "
        "administrator must look in Entra whether the user is blocked, or a Conditional Access policy is in the way."
    ),
    "no_mailbox": _lt("This Microsoft account has no Outlook mailbox, or its license was removed."),
    "mailbox_closed": _lt(
        "Microsoft does not let the bridge into this mailbox now (%(code)s). What was edited is kept, and goes on by "
        "itself once it does. If it lasts, an administrator must look at the user's Exchange Online license, and at "
        "the policies on which apps may reach mailboxes."
    ),
    "tried_again": _lt("%(problem)s. It is tried again by itself; an administrator must look only if it lasts."),
    "calendar_cannot_be_read": _lt(
        "The calendar cannot be read: %(problem)s. An administrator must look into the bridge's log."
    ),
    "bridge_fails": _lt(
        "The bridge fails at this mailbox. It tries again by itself; an administrator must look into its log (account "
        "%(account)s)."
    ),
    "login_refused": _lt(
        "%(problem)s. Log in to Outlook again; if that does not help, an administrator must look at the app "
        "registration."
    ),
    "was_paired": _lt("“%(name)s” was paired with the Outlook bridge"),
    "was_paired_again": _lt(
        "“%(name)s” was paired with the Outlook bridge again: both sides are compared anew, and nothing is written "
        "that is equal"
    ),
    "wait_for_confirmation": _lt(
        "%(said)s. As %(moved)s, nothing is exchanged before it is confirmed where the bridge runs: outlook-bridge "
        "confirm %(uuid)s"
    ),
    "has_another_address": _lt("its address is %(now)s (before: %(before)s)"),
    "has_another_name": _lt("its name is “%(now)s” (before: “%(before)s”)"),
    "was_confirmed": _lt("it was confirmed where the bridge runs that %(moved)s"),
    "was_unpaired": _lt("was unpaired from the Outlook bridge"),
    "has_new_key": _lt("has a new API key; the old one ends when this one is used"),
    "key_was_revoked": _lt("its API key was revoked on the Outlook bridge's side"),
    "copy_calls": _lt(
        "a database called “%(copy)s” calls with the key of “%(name)s”: it is a copy, or this one was renamed. It is "
        "shut out"
    ),
    "was_paused": _lt("synchronization was paused"),
    "goes_on": _lt("synchronization goes on"),
    "allowed_for_everybody": _lt(
        "An administrator of Microsoft 365 has allowed this Odoo for everybody in the organization"
    ),
    "exchanges_fail": _lt(
        "Nothing has been exchanged with this Odoo since %(since)s: the Outlook bridge fails each time (%(times)s "
        "times). What is saved in Odoo is kept. Its log says why, and so does 'outlook-bridge status' where it runs."
    ),
    "exchanges_succeed": _lt("exchanges succeed again"),
    "shut_out_until_confirmed": _lt(
        "This database was paired again, and %(moved)s. Nothing is exchanged until whoever runs the Outlook bridge "
        "confirms that it is the same one: outlook-bridge confirm %(uuid)s"
    ),
    "histories_differ": _lt(
        "Odoo and the Outlook bridge have different histories: one of them is a copy or was restored from a backup. "
        "Nothing is synced until an administrator pairs this database again in the settings."
    ),
}
