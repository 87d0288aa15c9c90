"""What a user, and an administrator for everybody, chooses to sync, in a browser."""

from collections.abc import Callable

from tools import walk
from tools.stack import ADMIN, Stack

from .axe import Look
from .site import ANN, Site
from .test_p_lists import open_page, row

Open = Callable[[Stack, str], walk.Person]


def test_a_user_leaves_out_what_is_private_and_lunches(site: Site, at_browser: Open, look: Look):
    lunch, plan, doctor = walk.unique("Lunch"), walk.unique("Plan"), walk.unique("Doctor")
    client = site.client(ANN)
    event = site.new_event(ANN, lunch)
    site.new_event(ANN, plan)
    site.agrees()
    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    open_page(ann, "Accounts")
    row(ann, "Ann Archer").locator("td").nth(2).click()
    ann.page.get_by_role("button", name="What Is Synced…").click()
    dialog = ann.page.get_by_role("dialog")
    walk.expect(dialog).to_contain_text("What is left out is deleted nowhere")
    look(ann, "choices")
    dialog.get_by_label("Leave out titles with").fill("lunch")
    dialog.get_by_label("Only their time, as “Busy”").check()
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog).to_contain_text(f"{lunch} (its title contains “lunch”)")
    walk.expect(dialog).not_to_contain_text(plan)
    look(ann, "preview")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    ann.settles()
    ann.shot("preview-phone")
    ann.page.set_viewport_size({"width": 1366, "height": 900})
    # Another choice is another preview.
    dialog.get_by_label("Leave out reminders").check()
    walk.expect(dialog.get_by_role("button", name="Apply")).to_be_hidden()
    dialog.get_by_role("button", name="See what changes").click()
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(ann.page.locator(".o_notification")).to_contain_text("compared again")
    walk.expect(dialog).to_have_count(0)

    client.write("calendar.event", event, location="Canteen")
    site.new_outlook_event(ANN, doctor, hour=14, sensitivity="private")
    site.odoo_event("Busy")
    site.agrees_to_owe_nothing()
    assert site.stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s", doctor) == []
    assert site.outlook_event(ANN, lunch)["location"]["displayName"] != "Canteen"
    ann.open_event(event)
    walk.expect(ann.page.locator(".o_outlook_bridge_standing")).to_contain_text(
        "It is left out by choice: its title contains “lunch”"
    )
    ann.settles()
    ann.shot("left-out")


def test_an_administrator_leaves_something_out_for_everybody(site: Site, at_browser: Open, look: Look):
    admin = at_browser(site.stack, "admin")
    admin.log_in(*ADMIN)
    admin.open_settings()
    admin.page.get_by_role("button", name="What Is Synced…").click()
    dialog = admin.page.get_by_role("dialog")
    walk.expect(dialog).to_contain_text("Users can leave out more")
    dialog.get_by_label("Leave out Outlook categories").fill("Family")
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog).to_contain_text("Events looked at")
    look(admin, "for-everybody", ".modal-content")
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)
    open_page(admin, "Accounts")
    row(admin, "Ann Archer").locator("td").nth(2).click()
    admin.page.get_by_role("button", name="What Is Synced…").click()
    walk.expect(admin.page.get_by_role("dialog")).to_contain_text("Leave out Outlook categories: Family")
    look(admin, "bound")
