"""What people do in a browser, in the pages of Odoo and of the simulator. Used by the demo's check
and the tests."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from .stack import Stack, eventually

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The first page of a new server may have to bundle scripts and styles.
PATIENCE_MS = 60_000

# What Odoo shows when an event is about to begin. It stays, above whatever is below.
REMINDER = ".o_notification:has(button:has-text('Snooze'))"

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def browser() -> Iterator[Browser]:
    """Yields Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


# A rectangle on the page: x, y, width and height in pixels.
Box = Mapping[str, float]


def box_of(shown: Locator) -> Box:
    box = shown.bounding_box()
    assert box, f"{shown} is shown"
    return box


def middle_of(box: Box) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


class Person:
    """A person with their own browser."""

    def __init__(self, chromium: Browser, stack: Stack, screenshots: Path, name: str):
        self.stack = stack
        self.name = name
        self.problems: list[str] = []
        self._screenshots = screenshots
        self._shots = 0
        self._week = datetime.now()
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": 1366, "height": 900}, locale="en-US", timezone_id="Europe/Brussels"
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.problems.append(f"{self.page.url}: {error}"))
        self._asked: set[Request] = set()
        self.page.on("request", self._note_question)
        for ended in ("requestfinished", "requestfailed"):
            self.page.on(ended, lambda request: self._asked.discard(request))
        self.page.add_locator_handler(self.page.locator(REMINDER), self._close_reminders)

    def _close_reminders(self, shown: Locator) -> None:
        """Closes Odoo's reminders, as a person does whom they hinder."""
        for _ in range(shown.count()):
            shown.first.locator(".o_notification_close").click()

    def is_reminded(self) -> None:
        """Waits until Odoo shows a reminder, and leaves it there."""
        # Waiting for a locator would close it.
        shown = (
            "() => [...document.querySelectorAll('.o_notification button')].some(b => b.innerText.includes('Snooze'))"
        )
        self.page.wait_for_function(shown)

    def close(self) -> None:
        self.context.close()

    def shot(self, title: str) -> None:
        """Stores a screenshot of the page."""
        self._shots += 1
        self._screenshots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self._screenshots / f"{self.name}-{self._shots:02d}-{title}.png")

    # Odoo

    def _note_question(self, request: Request) -> None:
        if "/web/dataset/" in request.url:
            self._asked.add(request)

    def settles(self) -> None:
        """Waits until Odoo has answered all requests of the page, such as an onchange, and the page
        shows the result."""
        quiet = 0
        for _ in range(PATIENCE_MS // 100):
            self.page.wait_for_timeout(100)
            quiet = 0 if self._asked else quiet + 1
            if quiet == 3:
                return
        raise AssertionError(f"Odoo has not answered {[request.url for request in self._asked]}")

    def log_in(self, login: str, password: str) -> None:
        self.page.goto(f"{self.stack.odoo.url}/web/login")
        self.page.locator("input[name=login]").fill(login)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator("button[type=submit]", has_text="Log in").click()
        expect(self.page.locator(".o_web_client .o_main_navbar")).to_be_visible()

    def open_settings(self) -> Locator:
        """Opens Settings > Calendar, and returns all settings of the calendar."""
        # Without a fragment: with one, the browser would not load a page again that is already
        # open.
        self.page.goto(f"{self.stack.odoo.url}/odoo/settings")
        self.page.locator(".settings_tab .tab[data-key=calendar]").click()
        box = self.page.locator(".app_settings_block[data-key=calendar]")
        expect(box).to_be_visible()
        return box

    def save_settings(self, *, reloads: bool = True) -> None:
        """Presses Save, and waits until Odoo has saved and loaded the page again."""
        save = self.page.locator(".o_form_button_save:visible").first
        if reloads:
            with self.page.expect_event("load", timeout=PATIENCE_MS * 3):
                save.click()
        else:
            save.click()

    def setting(self, box: Locator, field: str) -> Locator:
        return box.locator(f".o_field_widget[name={field}] input")

    def tick_outlook(self) -> None:
        """Installs Outlook Calendar as usual in Odoo: ticks it and saves."""
        box = self.open_settings()
        box.locator(".o_field_widget[name=module_microsoft_calendar] input").check()
        self.shot("settings-ticked")
        self.save_settings()
        expect(self.page.locator(".o_web_client .o_main_navbar")).to_be_visible()

    def enter_settings(self, **values: str) -> None:
        """Types into Outlook's settings and saves."""
        box = self.open_settings()
        for field, value in values.items():
            self.setting(box, field).fill(value)
        self.shot("settings-filled")
        self.save_settings()
        expect(self.page.locator(".o_web_client .o_main_navbar")).to_be_visible()

    def open_calendar(self) -> None:
        self.page.goto(f"{self.stack.odoo.url}/odoo/calendar")
        expect(self.page.locator(".o_calendar_view .fc")).to_be_visible()

    def connect_outlook(self, address: str) -> None:
        """Presses Outlook, signs in as `address`, accepts, and waits to be back at the calendar."""
        self.open_calendar()
        self.page.locator("#microsoft_sync_pending").click()
        self.page.wait_for_url(re.compile(r"/oauth2/v2\.0/authorize"))
        self.shot("sign-in")
        self.page.locator(f"button[name=account][value='{address}']").click()
        accept = self.page.locator("#accept")
        expect(accept).to_be_visible()
        self.shot("consent")
        accept.click()
        self.page.wait_for_url(lambda url: url.startswith(self.stack.odoo.url))
        expect(self.page.locator(".o_calendar_view .fc")).to_be_visible()

    def show_week(self, day: datetime) -> None:
        """Shows the week of a day in the calendar."""
        self._week = day
        self.page.goto(f"{self.stack.odoo.url}/odoo/calendar")
        expect(self.page.locator(".o_calendar_view .fc")).to_be_visible()
        for _ in range(60):
            first = self.page.locator(".fc-timegrid .fc-col-header-cell[data-date]").first.get_attribute("data-date")
            last = self.page.locator(".fc-timegrid .fc-col-header-cell[data-date]").last.get_attribute("data-date")
            if first and last and first <= day.date().isoformat() <= last:
                return
            forward = bool(last) and day.date().isoformat() > last
            self.page.locator(".o_calendar_button_next" if forward else ".o_calendar_button_prev").first.click()
            self.page.wait_for_function(
                "was => document.querySelector('.fc-col-header-cell[data-date]')?.dataset.date !== was", arg=first
            )
        raise AssertionError(f"the calendar does not go to {day}")

    def event(self, subject: str) -> Locator:
        """Returns an event as the calendar shows it."""
        return self.page.locator(".fc-event", has_text=subject)

    def sees(self, subject: str) -> None:
        """Waits until the calendar shows an event. Loads the page again as a person would."""

        def shown() -> bool:
            try:
                self.event(subject).first.wait_for(timeout=3000)
            except PlaywrightTimeoutError:
                self.show_week(self._week)
                return False
            return True

        eventually(shown, message=f"the calendar of {self.name} shows '{subject}'")

    def sees_not(self, subject: str) -> None:
        """Waits until the calendar, loaded again, no longer shows an event."""

        def gone() -> bool:
            # Returns when the events are loaded: an empty page before that proves nothing.
            self.show_week(self._week)
            return self.event(subject).count() == 0

        eventually(gone, message=f"the calendar of {self.name} no longer shows '{subject}'")

    def new_event(
        self, subject: str, start: datetime, *, guests: Iterable[tuple[str, str]] = (), hours: float = 1
    ) -> None:
        """Fills in a new event's form. `start` is in the user's zone; guests are names and
        addresses of new contacts."""
        self.page.goto(f"{self.stack.odoo.url}/odoo/action-calendar.action_calendar_event/new?view_type=form")
        expect(self.page.locator(".o_form_view")).to_be_visible()
        self._fill_event(subject=subject, start=start, stop=start + timedelta(hours=hours))
        for name, address in guests:
            self._add_guest(name, address)

    def invite(self, name: str) -> None:
        """Adds a known contact to the guests of the form."""
        field = self.page.locator(".o_form_view .o_field_widget[name=partner_ids]").first
        field.locator("input").fill(name)
        self.page.locator(".o-autocomplete--dropdown-item", has_text=name).first.click()
        expect(field.locator(".o_tag, .badge").filter(has_text=name)).to_be_visible()

    def repeat_weekly(self, times: int) -> None:
        """Makes the event of the form a weekly series, on the weekday of its start."""
        form = self.page.locator(".o_form_view")
        form.locator(".o_notebook .nav-link", has_text="Options").click()
        form.locator(".o_field_widget[name=recurrency] input").click()
        self._choose("rrule_type_ui", "Weekly")
        self._choose("end_type", "Number of repetitions")
        form.locator(".o_field_widget[name=count] input").fill(str(times))

    def _choose(self, field: str, label: str) -> None:
        self.page.locator(f".o_form_view .o_field_widget[name={field}] input").click()
        self.page.locator(".o_select_menu_menu .o_select_menu_item", has_text=label).first.click()

    def edit_following(self, subject: str, start: datetime, *, to: str, at: datetime, hours: float = 1) -> None:
        """Opens an occurrence from the calendar, and changes it and the following ones in the form."""
        self.popover_of(subject, start).locator(".o_cw_popover_edit").click()
        form = self.page.locator(".o_form_view")
        expect(form).to_be_visible()
        form.locator(".o_field_widget[name=recurrence_update] label", has_text="This and following events").click()
        self._fill_event(subject=to, start=at, stop=at + timedelta(hours=hours))
        self.shot("this-and-following")
        self.save_event()

    def drag_occurrence(self, subject: str, start: datetime, to: datetime) -> None:
        """Drags an occurrence to another day of its week, and answers that only this one is meant."""
        self.show_week(start)
        self.sees(subject)
        self.drag(subject, to)
        self.answer_which("This event")

    def drag(self, subject: str, to: datetime) -> None:
        """Drags the event to another day of the shown week."""
        event = self.event(subject).first
        event.scroll_into_view_if_needed()
        box = event.bounding_box()
        column = self.page.locator(f".fc-timegrid-col[data-date='{to:%Y-%m-%d}']").bounding_box()
        assert box
        assert column
        mouse = self.page.mouse
        mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        mouse.down()
        mouse.move(column["x"] + column["width"] / 2, box["y"] + 10, steps=12)
        mouse.up()
        self.shot("dragged")

    def delete_occurrence(self, subject: str, start: datetime) -> None:
        """Deletes one occurrence from the calendar."""
        self.popover_of(subject, start).locator(":is(a, button):has(.fa-trash)").click()
        self.shot("which-to-delete")
        self.answer_which("This event")

    def delete_from_form(self, event_id: int, which: str) -> None:
        """Deletes events of a series by the menu of the form."""
        self.open_event(event_id)
        self.page.locator(".o_cp_action_menus button").first.click()
        self.page.locator(".o-dropdown-item", has_text="Delete").first.click()
        self.answer_which(which)

    def answer_which(self, which: str) -> None:
        """Answers Odoo's question which events of a series are meant."""
        dialog = self.page.locator(".modal")
        dialog.get_by_text(which, exact=True).click()
        dialog.locator(".btn-primary").click()
        expect(dialog).to_have_count(0)

    def popover_of(self, subject: str, start: datetime) -> Locator:
        """Goes to an event's week in the calendar and opens its popover."""
        self.show_week(start)
        self.sees(subject)
        return self._opened(subject)

    def _opened(self, subject: str) -> Locator:
        """Returns the popover of an event that the calendar shows."""
        popover = self.page.locator(".o_cw_popover")

        def opened() -> bool:
            # News that arrives at this moment draws the calendar again: a person clicks again.
            if not popover.is_visible():
                self.event(subject).first.click()
            expect(popover).to_be_visible(timeout=3000)
            return True

        eventually(opened, message=f"'{subject}' opens")
        return popover

    def drags(
        self,
        subject: str,
        grip: Callable[[Box], tuple[float, float]],
        to: Callable[[Box], tuple[float, float]],
        done: Callable[[], bool],
        *,
        message: str,
    ) -> None:
        """Drags an event from one point of its box to another, in pixels of the page, until Odoo
        has the change."""

        def dragged() -> bool:
            # News that arrives just before the button is pressed draws the calendar again: a person
            # tries again.
            self.settles()
            expect(self.event(subject).first).to_be_visible()
            box = box_of(self.event(subject).first)
            self.page.mouse.move(*grip(box))
            self.page.mouse.down()
            self.page.mouse.move(*to(box), steps=16)
            self.page.mouse.up()
            eventually(done, timeout=5, message=message)
            return True

        eventually(dragged, message=message)

    def _add_guest(self, name: str, address: str) -> None:
        field = self.page.locator(".o_form_view .o_field_widget[name=partner_ids]").first
        field.locator("input").fill(name)
        self.page.locator(".o-autocomplete--dropdown-item", has_text="Create and edit...").click()
        dialog = self.page.locator(".modal")
        dialog.locator(".o_field_widget[name=name] input, .o_field_widget[name=name] textarea").first.fill(name)
        dialog.locator(".o_field_widget[name=email] input").fill(address)
        dialog.locator(".o_form_button_save").click()
        expect(dialog).to_have_count(0)
        expect(field.locator(".o_tag, .badge").filter(has_text=name)).to_be_visible()

    def _fill_event(self, *, subject: str | None = None, start: datetime | None = None, stop: datetime | None = None):
        form = self.page.locator(".o_form_view")
        if subject is not None:
            form.locator(".o_field_widget[name=name] input, .o_field_widget[name=name] textarea").first.fill(subject)
        for field, value in (("start", start), ("stop", stop)):
            if value is not None:
                box = form.locator(f"[data-field={field}]").first
                if box.evaluate("node => node.tagName") == "BUTTON":
                    box.click()
                    box = form.locator(f"input[data-field={field}]").first
                box.fill(value.strftime("%m/%d/%Y %H:%M:%S"))
                box.press("Tab")

    def save_event(self) -> None:
        form = self.page.locator(".o_form_view")
        form.locator(".o_form_button_save").click()
        expect(
            form.locator(".o_form_status_indicator_buttons.invisible, .o_form_status_indicator_buttons")
        ).to_have_count(1)
        expect(form.locator(".o_form_button_save")).not_to_be_visible()

    def open_event(self, event_id: int) -> None:
        self.page.goto(f"{self.stack.odoo.url}/odoo/action-calendar.action_calendar_event/{event_id}?view_type=form")
        expect(self.page.locator(".o_form_view .o_field_widget[name=name]").first).to_be_visible()

    def rename_event(self, event_id: int, subject: str) -> None:
        self.open_event(event_id)
        self._fill_event(subject=subject)
        self.save_event()

    def delete_event(self, subject: str) -> None:
        """Deletes an event from the calendar by its popover."""
        popover = self._opened(subject)
        self.shot("popover")
        # Odoo archives synced events and deletes others; both show a trash can. It may ask first.
        popover.locator(":is(a, button):has(.fa-trash)").click()
        question = self.page.locator(".modal .modal-footer :is(.btn-primary, .btn-danger)").first
        eventually(lambda: question.is_visible() or not self.event(subject).count(), message=f"'{subject}' goes")
        if question.is_visible():
            question.click()
        expect(self.event(subject)).to_have_count(0)

    # The simulator's pages, where a person does what users of Outlook do

    def open_outlook(self, mailbox: str, day: datetime) -> None:
        """Shows a mailbox from a given day."""
        self.page.goto(f"{self.stack.sim.url}/mailbox/{mailbox}/from/{day.date().isoformat()}")
        events = self.page.locator("#events")
        expect(events).to_be_visible()
        events.evaluate("node => node.scrollIntoView()")

    def outlook_shows(self, mailbox: str, day: datetime, subject: str) -> None:
        """Waits until a mailbox shows an event."""

        def shown() -> bool:
            self.open_outlook(mailbox, day)
            return self.page.locator("#events .subject", has_text=subject).count() == 1

        eventually(shown, message=f"Outlook of {mailbox} shows '{subject}' once")

    def outlook_shows_no(self, mailbox: str, day: datetime, subject: str) -> None:
        def gone() -> bool:
            self.open_outlook(mailbox, day)
            return self.page.locator("#events .event:not(.cancelled) .subject", has_text=subject).count() == 0

        eventually(gone, message=f"Outlook of {mailbox} no longer shows '{subject}'")

    def outlook_open(self, mailbox: str, day: datetime, subject: str) -> None:
        """Opens an event in Outlook."""
        self.open_outlook(mailbox, day)
        self.page.locator("#events .subject", has_text=subject).click()
        expect(self.page.locator("#event-form")).to_be_visible()

    def outlook_rename(self, mailbox: str, day: datetime, subject: str, new_subject: str) -> None:
        self.outlook_open(mailbox, day, subject)
        self.page.locator("#event-form #subject").fill(new_subject)
        with self.page.expect_navigation():
            self.page.locator("#event-form #save").click()
        assert self.page.locator("#error").count() == 0, self.page.locator("#error").inner_text()

    def outlook_delete(self, mailbox: str, day: datetime, subject: str) -> None:
        self.outlook_open(mailbox, day, subject)
        with self.page.expect_navigation():
            self.page.locator("#event-form #delete").click()
        assert self.page.locator("#error").count() == 0, self.page.locator("#error").inner_text()

    def outlook_mails(self) -> None:
        """Shows the mails that Outlook would have sent."""
        self.page.goto(f"{self.stack.sim.url}/mails")


def unique(title: str) -> str:
    """Returns a subject that only this test uses."""
    return f"{title} {uuid.uuid4().hex[:6]}"


def next_week(hour: int = 10, day: int = 0) -> datetime:
    """Returns a day of the coming week (0 is Monday), in the user's zone; which day does not matter
    to other tests."""
    today = datetime.now().replace(hour=hour, minute=0, second=0, microsecond=0)
    return today + timedelta(days=7 - today.weekday() + day)


def walk_main_path(
    stack: Stack, who: tuple[str, str, str], screenshots: Path, report: Callable[[str], None]
) -> list[str]:
    """Connects, sees Outlook's events in Odoo, makes one in Odoo and sees it in Outlook. Returns
    what was seen."""
    _, login, password = who
    with browser() as chromium:
        person = Person(chromium, stack, screenshots, "demo")
        report(f"logging in to Odoo as {login}")
        person.log_in(login, password)
        report("pressing Outlook, signing in at the simulated Microsoft, accepting")
        person.connect_outlook(login)
        report("waiting for Outlook's events in Odoo")
        outlook = next(event for event in stack.sim.events(login) if not event.get("recurrence"))
        eventually(
            lambda: stack.odoo.query("SELECT 1 FROM calendar_event WHERE name = %s AND active", outlook["subject"]),
            90,
            message=f"'{outlook['subject']}' is in Odoo",
        )
        person.show_week(datetime.fromisoformat(outlook["start"]["dateTime"][:19]))
        person.sees(outlook["subject"])
        person.shot("outlook-events-in-odoo")
        report("creating an event in Odoo, and waiting for it in Outlook")
        subject = unique("Made in Odoo")
        start = next_week(day=1)
        person.new_event(subject, start)
        person.save_event()
        eventually(lambda: stack.sim.event(login, subject), 90, message=f"'{subject}' is in Outlook")
        person.outlook_shows(login, start, subject)
        person.shot("odoo-event-in-outlook")
        return [outlook["subject"], subject]
