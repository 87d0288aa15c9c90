"""Seconds, both ways: nothing is polled here, and Odoo runs no scheduled job by itself."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from threading import Thread

import pytest
from playwright.sync_api import Page, Request

from tools import walk
from tools.stack import ADMIN, Stack, eventually

from .site import ANN, BEN, CARLA, Site

DORA = "dora@contoso.example"
JOB = "microsoft_calendar_bridge.ir_cron_exchange"


@pytest.fixture(scope="module")
def site(make_stack: Callable[..., Stack]):
    stack = make_stack(notifications=True, odoo_options={"cron_threads": 0})
    made = Site(stack)
    stack.add_user("Ann Archer", ANN, "ann")
    stack.add_user("Ben Baker", BEN, "ben")
    stack.pair(made.proxy.url)
    for login in (ANN, BEN):
        stack.connect(made.client(login))
    subscribed(stack, {ANN, BEN})
    stack.service.settings["poll_seconds"] = 3600
    stack.service.settings["poll_seconds_quiet"] = 3600
    stack.service.stop()
    stack.service.start()
    # As on a site whose jobs run every five minutes: the first save waits for its job, which notes
    # that it is late.
    made.new_event(ANN, walk.unique("The first one"))
    time.sleep(7)
    stack.odoo.run_cron(JOB)
    yield made
    made.close()


def subscribed(stack: Stack, mailboxes: set[str]) -> None:
    """Waits until Microsoft notifies of changes in these mailboxes."""

    def check() -> bool:
        return {one["address"] for one in stack.sim.subscriptions()} >= mailboxes

    eventually(check, 120, message=f"subscriptions for {mailboxes}")


def seconds_until(check: Callable[[], object], what: str) -> float:
    began = time.monotonic()
    eventually(check, 120, message=what)
    return time.monotonic() - began


def test_two_windows(site: Site, at_browser, note):
    """An edit in Outlook's window appears in Odoo's open calendar, and the other way round."""
    stack = site.stack
    week = walk.next_week(day=2)
    title = walk.unique("Two windows")
    odoo, outlook, guest = at_browser(stack, "ann"), at_browser(stack, "ann-outlook"), at_browser(stack, "ben")
    odoo.log_in(ANN, "ann")
    guest.log_in(BEN, "ben")
    odoo.new_event(title, week)
    odoo.invite("Ben Baker")
    odoo.save_event()
    for mailbox in (ANN, BEN):
        eventually(lambda mailbox=mailbox: stack.sim.event(mailbox, title), 120, message="it is in Outlook")
    for person in (odoo, guest):
        person.show_week(week)
        person.sees(title)

    there = walk.unique("Renamed in Outlook")
    outlook.outlook_rename(ANN, week, title, there)
    began = time.monotonic()
    # The page is not loaded again.
    odoo.event(there).first.wait_for(timeout=120_000)
    to_odoo = time.monotonic() - began
    odoo.shot("renamed-in-outlook")
    guest.event(there).first.wait_for(timeout=120_000)
    guest.shot("renamed-in-outlook")

    here = walk.unique("Renamed in Odoo")
    (event,) = stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s", there)
    odoo.rename_event(event[0], here)
    to_outlook = seconds_until(lambda: stack.sim.event(ANN, here), "it is renamed in Outlook")
    outlook.open_outlook(ANN, week)
    outlook.shot("renamed-in-odoo")
    note(f"two windows: to Odoo's open page {to_odoo:.1f} s, to Outlook {to_outlook:.1f} s")


def test_saves_without_a_page_reach_outlook_where_jobs_are_late(site: Site, note):
    """A save over RPC, as of a website booking: nobody has a page open, and no job runs."""
    stack = site.stack
    late = []
    for number in range(8):
        title = walk.unique(f"Booked {number}")
        site.new_event(BEN, title, day=20 + number)
        late.append(seconds_until(lambda title=title: stack.sim.event(BEN, title), f"'{title}' is in Outlook"))
    note(f"a save without a page: median {median(late):.1f} s, longest {max(late):.1f} s")


def test_notifications_that_fail(site: Site):
    """Lost, doubled, late and forged: the calendars end equal."""
    stack = site.stack
    stack.sim.set_switches(notification_loss_every=2, notification_loss_told=True)
    titles = [walk.unique(f"Lossy {number}") for number in range(6)]
    for number, title in enumerate(titles):
        site.new_outlook_event(ANN, title, day=40 + number)
    for title in titles:
        site.odoo_event(title)
    known = stack.sim.subscriptions()[0]
    forged = {"subscriptionId": known["id"], "clientState": "guessed", "changeType": "deleted"}
    # On a busy machine Odoo may not reach the service in time, and whoever notifies is asked to come again (503).
    answers: list[int] = []

    def is_taken() -> bool:
        answers.extend(stack.sim.forge(known["notification_url"], forged))
        return answers[-1] == 202

    eventually(is_taken, message="a forged notification is answered as a real one is")
    assert set(answers) <= {202, 503}, "a forger learns nothing"
    for title in titles:
        site.odoo_event(title)


# Sends what an exchange sends to the open pages, many times a second. Run by `Odoo.run_script`.
TELL = """
import time

def run(env, given):
    user = env["res.users"].search([("login", "=", given["login"])])
    for pause, times in given["rhythm"]:
        for _ in range(times):
            user._bus_send("microsoft_calendar_bridge/refresh", {})
            env.cr.commit()
            time.sleep(pause)
"""
# The least time between two refreshes of a page, in seconds.
REFRESH_PAUSE = 2


def test_a_first_sync_says_how_far_it_is(site: Site, at_browser):
    """Somebody connects while Microsoft is slow; others' pages say nothing of it."""
    stack = site.stack
    stack.add_user("Carla Cole", CARLA, "carla")
    stack.sim.add_fault(mailbox=CARLA, path="delta", status=503)
    stack.connect(site.client(CARLA))
    carla, ben = at_browser(stack, "carla"), at_browser(stack, "ben")
    for person, login in ((carla, CARLA), (ben, BEN)):
        person.log_in(login, login.partition("@")[0])
        person.open_calendar()
    said = carla.page.locator(".o_outlook_bridge_progress")
    walk.expect(said).to_contain_text("0 events in Outlook so far. You can leave this page.")
    carla.shot("first-sync")
    walk.expect(ben.page.locator(".o_outlook_bridge_progress")).to_have_count(0)
    stack.sim.clear_faults()
    walk.expect(said).to_have_count(0, timeout=120_000)
    carla.shot("first-sync-over")


# Ten tabs of a browser keep two cores busy for two minutes.
@pytest.mark.long
def test_many_tabs_and_many_events(site: Site, at_browser, tmp_path: Path, note):
    """Each open page reads the events rarely, and one in which somebody writes not at all."""
    stack = site.stack
    day = walk.next_week(day=4)
    title = walk.unique("In every tab")
    distance = (day.date() - datetime.now(UTC).date()).days
    event = site.new_outlook_event(ANN, title, day=distance, hour=14)
    site.odoo_event(title)
    person = at_browser(stack, "ann")
    person.log_in(ANN, "ann")
    tabs = [person.page, *(person.context.new_page() for _number in range(9))]
    loads: dict[Page, int] = dict.fromkeys(tabs, 0)
    requests: dict[Page, int] = dict.fromkeys(tabs, 0)

    def count(request: Request) -> None:
        requests[request.frame.page] += 1
        loads[request.frame.page] += "/calendar.event/search_read" in request.url

    for tab in tabs:
        tab.on("pageerror", lambda error: person.problems.append(str(error)))
        person.page = tab
        person.show_week(day)
        person.sees(title)
        person.settles()
    reading, writing, *others = tabs
    person.page = reading
    popover = person.popover_of(title, day)
    person.page = writing
    writing.locator(f".fc-timegrid .fc-daygrid-day[data-date='{day:%Y-%m-%d}']").click()
    field = writing.locator(".modal, .o_popover").locator("[name=name] input, [name=name] textarea").first
    field.fill("Being written")
    person.shot("writing")
    for tab in tabs:
        tab.on("request", count)

    script = tmp_path / "tell.py"
    script.write_text(TELL)
    rhythm = [(0.05, 60), (0.4, 40)]
    telling = Thread(target=stack.odoo.run_script, args=(script,), kwargs={"login": ANN, "rhythm": rhythm})
    told = "SELECT count(*) FROM bus_bus WHERE message LIKE %s"
    refresh = "%calendar_bridge/refresh%"
    before = stack.odoo.query(told, refresh)
    telling.start()
    eventually(lambda: stack.odoo.query(told, refresh) != before, 120, message="the messages begin")
    began = time.monotonic()
    names = [walk.unique(f"Renamed {number}") for number in range(3)]
    for name in names:
        stack.sim.update_event(ANN, event, {"subject": name})
        # Shown although messages go on to come, without loading the page again.
        others[0].locator(".fc-event", has_text=name).first.wait_for(timeout=120_000)
    while telling.is_alive():
        others[0].wait_for_timeout(200)
    for tab in others:
        tab.locator(".fc-event", has_text=names[-1]).first.wait_for(timeout=120_000)
    most = (time.monotonic() - began) / REFRESH_PAUSE + 2
    assert max(loads.values()) <= most, f"{sorted(loads.values())} refreshes, {most:.1f} at most"
    walk.expect(popover).to_be_visible()
    walk.expect(field).to_have_value("Being written")
    assert loads[reading] == loads[writing] == 0, "nothing closes what somebody reads or writes"
    person.shot("written")
    person.page = reading
    person.shot("read")
    person.page = others[-1]
    person.shot("another")
    seconds = time.monotonic() - began
    note(f"ten tabs, {seconds:.0f} s of events: a tab sent {max(requests.values()) / seconds:.1f} requests a second")
    person.page = reading
    popover.locator(".o_cw_popover_close").click()
    reading.locator(".fc-event", has_text=names[-1]).first.wait_for(timeout=120_000)
    assert not person.problems


def test_an_address_that_microsoft_does_not_accept(site: Site, at_browser):
    """Who connects then is polled, and the administrator reads why."""
    stack = site.stack
    stack.sim.set_switches(http_notifications=False)
    stack.sim.add_person(DORA, "Dora Dale")
    stack.add_user("Dora Dale", DORA, "dora")
    dora, admin = at_browser(stack, "dora"), at_browser(stack, "admin")
    dora.log_in(DORA, "dora")
    dora.open_calendar()
    dora.shot("not-connected")
    dora.connect_outlook(DORA)
    admin.log_in(*ADMIN)

    def told() -> bool:
        return "Microsoft cannot notify Odoo of changes" in admin.open_settings().inner_text()

    eventually(told, 120, message="the settings say why mailboxes are polled")
    admin.shot("polled")
    title = walk.unique("Of somebody who is polled")
    site.new_event(DORA, title, day=60)
    eventually(lambda: stack.sim.event(DORA, title), 120, message=f"'{title}' is in Outlook")
