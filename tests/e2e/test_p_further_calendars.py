"""A user chooses a further calendar of their mailbox, and leaves it again, in a browser."""

from collections.abc import Callable

from tools import walk
from tools.stack import ADMIN, Stack, eventually

from .axe import Look
from .site import ANN, PATIENCE, Site
from .test_p_lists import open_page, row

Open = Callable[[Stack, str], walk.Person]


def open_choices(person: walk.Person):
    open_page(person, "Accounts")
    row(person, "Ann Archer").locator("td").nth(2).click()
    person.page.get_by_role("button", name="What Is Synced…").click()
    return person.page.get_by_role("dialog")


def test_a_further_calendar_comes_to_odoo_and_is_never_written(site: Site, at_browser: Open, look: Look):
    family, dinner = walk.unique("Family"), walk.unique("Dinner")
    calendar = site.stack.sim.add_calendar(ANN, family)
    site.stack.sim.add_calendar(ANN, walk.unique("Club"))
    site.new_outlook_event(ANN, dinner, calendar=calendar, location={"displayName": "Home"})
    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    dialog = open_choices(ann)
    dialog.get_by_label(family).check()
    walk.expect(dialog).to_contain_text("Nothing goes back to it")
    look(ann, "calendars")
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog).to_contain_text(f"The events of {family} come to Odoo once they have been read.")
    look(ann, "preview")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    ann.settles()
    ann.shot("preview-phone")
    ann.page.set_viewport_size({"width": 1366, "height": 900})
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)
    event = site.odoo_event(dinner)
    site.agrees_to_owe_nothing()

    ann.open_event(event)
    ann.settles()
    ann.shot("event")
    ann.rename_event(event, f"{dinner} at eight")
    site.agrees_to_owe_nothing()
    assert site.outlook_event(ANN, dinner)["location"]["displayName"] == "Home"
    ann.open_event(event)
    walk.expect(ann.page.locator(".o_outlook_bridge_standing")).to_contain_text("which comes only to Odoo")
    ann.shot("standing")

    dialog = open_choices(ann)
    dialog.get_by_label(family).uncheck()
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog).to_contain_text("it is in a further calendar of Outlook that is not chosen")
    look(ann, "leaving")
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)

    def is_left_out() -> bool:
        found = "SELECT count(*) FROM meetings WHERE set_aside_code = 'not_chosen'"
        return site.stack.server.query(site.stack.bridge_database, found)[0][0] == 1

    eventually(is_left_out, PATIENCE, message="its events are no longer synced")
    assert site.client(ANN).execute("calendar.event", "search_count", [["id", "=", event]]) == 1
    ann.open_event(event)
    walk.expect(ann.page.locator(".o_outlook_bridge_standing")).to_contain_text("that is not chosen")
    ann.shot("left")


def test_an_administrator_offers_no_further_calendars(site: Site, at_browser: Open, look: Look):
    admin = at_browser(site.stack, "admin")
    admin.log_in(*ADMIN)
    admin.open_settings()
    admin.page.get_by_role("button", name="What Is Synced…").click()
    dialog = admin.page.get_by_role("dialog")
    dialog.get_by_label("Do not offer further calendars").check()
    dialog.get_by_role("button", name="See what changes").click()
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)
    dialog = open_choices(admin)
    walk.expect(dialog).to_contain_text("Do not offer further calendars")
    walk.expect(dialog.get_by_label("Further calendars")).to_have_count(0)
    look(admin, "not-offered")
