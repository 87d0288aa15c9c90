"""What a user, and an administrator for everybody, chooses to sync, in a browser."""

from collections.abc import Callable

from tools import walk
from tools.stack import ADMIN, Stack, eventually

from .axe import Look
from .site import ANN, BEN, CARLA, PATIENCE, Site
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
    dialog.get_by_label("Leave out Outlook categories and Odoo tags").fill("Family")
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog).to_contain_text("Events looked at")
    look(admin, "for-everybody", ".modal-content")
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)
    open_page(admin, "Accounts")
    row(admin, "Ann Archer").locator("td").nth(2).click()
    admin.page.get_by_role("button", name="What Is Synced…").click()
    walk.expect(admin.page.get_by_role("dialog")).to_contain_text("Leave out Outlook categories and Odoo tags: Family")
    look(admin, "bound")


def open_preferences(person: walk.Person) -> None:
    """Opens the person's own preferences, at the calendar's tab."""
    person.open_calendar()
    person.page.locator(".o_user_menu button").click()
    person.page.locator("[data-menu=preferences]").click()
    person.page.locator(".o_form_view .nav-link", has_text="Calendar").click()
    person.settles()


def test_who_is_connected_chooses_in_the_preferences_and_nobody_else(site: Site, at_browser: Open):
    if CARLA not in site.stack.users:
        site.stack.add_user("Carla Cole", CARLA, "carla")
    ben = at_browser(site.stack, "ben")
    ben.log_in(BEN, "ben")
    open_preferences(ben)
    ben.page.get_by_role("button", name="What Is Synced…").click()
    dialog = ben.page.get_by_role("dialog").last
    walk.expect(dialog).to_contain_text("What is left out is deleted nowhere")
    dialog.get_by_label("Only from Outlook to Odoo").check()
    dialog.get_by_role("button", name="See what changes").click()
    walk.expect(dialog.get_by_role("button", name="Apply")).to_be_visible()
    ben.shot("in-preferences")
    dialog.get_by_role("button", name="Cancel").click()

    carla = at_browser(site.stack, "carla")
    carla.log_in(CARLA, "carla")
    open_preferences(carla)
    walk.expect(carla.page.get_by_role("button", name="What Is Synced…")).to_have_count(0)
    carla.shot("unconnected")


def test_a_guest_moves_what_stands_for_a_private_event(site: Site, at_browser: Open):
    """The neighboring gestures: what stands for it is renamed and moved in Odoo, and deleted."""
    client = site.client(BEN)
    ben = at_browser(site.stack, "ben")
    ben.log_in(BEN, "ben")
    open_page(ben, "Accounts")
    row(ben, "Ben Baker").locator("td").nth(2).click()
    ben.page.get_by_role("button", name="What Is Synced…").click()
    dialog = ben.page.get_by_role("dialog")
    dialog.get_by_label("Only their time, as “Busy”").check()
    dialog.get_by_role("button", name="See what changes").click()
    dialog.get_by_role("button", name="Apply").click()
    walk.expect(dialog).to_have_count(0)
    secret = walk.unique("Clinic")
    site.new_outlook_event(
        BEN, secret, day=11, sensitivity="private", body={"contentType": "html", "content": "<p>Blood</p>"}
    )

    def stand_in() -> int | None:
        found = client.execute(
            "calendar.event", "search", [["name", "=", "Busy"], ["user_id", "=", site.stack.users[BEN]]]
        )
        return found[0] if found else None

    event = eventually(stand_in, PATIENCE, message="its time is in Odoo")
    ben.open_event(event)
    walk.expect(ben.page.locator(".o_form_view")).not_to_contain_text("Blood")
    ben.rename_event(event, "Something else")
    site.agrees_to_owe_nothing()
    assert site.outlook_event(BEN, secret)["body"]["content"].count("Blood") == 1
    client.unlink("calendar.event", event)
    site.agrees_to_owe_nothing()
    assert site.outlook_event(BEN, secret), "the event itself stays"
    no_secret = site.stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s", secret)
    assert no_secret == []
