"""The pages below Calendar, Outlook: what people and administrators see of the sync, and do there."""

from collections.abc import Callable

from tools import walk
from tools.stack import ADMIN, Stack, eventually

from .site import ANN, BEN, PATIENCE, Site

Open = Callable[[Stack, str], walk.Person]


def open_page(person: walk.Person, name: str) -> None:
    person.open_calendar()
    person.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
    person.page.get_by_role("menuitem", name=name, exact=True).click()
    walk.expect(person.page.locator(".o_list_view, .o_kanban_view")).to_be_visible()
    person.settles()


def row(person: walk.Person, words: str) -> walk.Locator:
    return person.page.locator(".o_data_row", has_text=words).first


def test_the_pages_of_a_user_and_of_an_administrator(site: Site, at_browser: Open):
    title, gone, bens = walk.unique("Quarter"), walk.unique("Cancelled"), walk.unique("Bens")
    client = site.client(ANN)
    event = site.new_event(ANN, title)
    lost = site.new_event(ANN, gone)
    site.new_event(BEN, bens)
    for mailbox, subject in ((ANN, title), (ANN, gone), (BEN, bens)):
        eventually(lambda m=mailbox, s=subject: site.outlook_event(m, s), PATIENCE, message=f"{subject} is there")
    client.unlink("calendar.event", lost)
    site.agrees()

    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    # The event says how it stands, and has its own journal.
    ann.open_event(event)
    walk.expect(ann.page.get_by_text("In step with Outlook since")).to_be_visible()
    ann.shot("event")
    ann.page.get_by_role("button", name="Outlook").last.click()
    walk.expect(row(ann, title)).to_be_visible()
    walk.expect(ann.page.locator(".o_data_row", has_text=bens)).to_have_count(0)
    ann.shot("journal-of-event")

    open_page(ann, "Journal")
    walk.expect(row(ann, title)).to_be_visible()
    walk.expect(ann.page.locator(".o_data_row", has_text=bens)).to_have_count(0)
    ann.shot("journal")
    open_page(ann, "Events")
    walk.expect(row(ann, title)).to_contain_text("In step")
    ann.shot("events")
    open_page(ann, "Set Aside")
    walk.expect(ann.page.get_by_text("Nothing is set aside")).to_be_visible()
    ann.shot("set-aside-empty")

    # What was deleted is put back, once one has seen what that does.
    open_page(ann, "Deleted Events")
    ann.shot("deleted")
    row(ann, gone).get_by_role("button", name="Put back").click()
    dialog = ann.page.get_by_role("dialog")
    walk.expect(dialog).to_contain_text("Nobody is mailed")
    ann.shot("put-back")
    dialog.get_by_role("button", name="Put back", exact=True).click()
    eventually(lambda: site.outlook_event(ANN, gone), PATIENCE, message="it is in Outlook again")
    site.agrees()

    # Both sides change the same while nothing is exchanged.
    site.stack.service.stop()
    client.write("calendar.event", event, location="Room of Odoo")
    shown = site.outlook_event(ANN, title)
    site.stack.sim.update_event(ANN, shown["id"], {"location": {"displayName": "Room of Outlook"}})
    site.stack.service.start()
    site.agrees()
    kept = site.outlook_event(ANN, title)["location"]["displayName"]
    open_page(ann, "Conflicts")
    walk.expect(row(ann, title)).to_contain_text("Room of Odoo")
    walk.expect(row(ann, title)).to_contain_text("Room of Outlook")
    ann.shot("conflicts")
    row(ann, title).get_by_role("button", name="Take the other one").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Ok").click()
    eventually(
        lambda: site.outlook_event(ANN, title)["location"]["displayName"] != kept, PATIENCE, message="the other one"
    )
    site.agrees()

    admin = at_browser(site.stack, "admin")
    admin.log_in(*ADMIN)
    open_page(admin, "Accounts")
    walk.expect(row(admin, "Ann Archer")).to_contain_text("Active")
    admin.shot("accounts")
    row(admin, "Ann Archer").locator("td").nth(2).click()
    walk.expect(admin.page.locator(".o_form_view")).to_contain_text("Microsoft Account")
    admin.settles()
    admin.shot("account")
    # The administrator has no mailbox here.
    admin.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
    admin.page.get_by_role("menuitem", name="Waiting for You").click()
    walk.expect(admin.page.locator(".o_notification")).to_contain_text("Your calendar is not connected")
    admin.shot("nothing-waits")
    open_page(admin, "Not Connected")
    walk.expect(admin.page.locator(".o_data_row", has_text="Ann Archer")).to_have_count(0)
    admin.shot("not-connected")
    open_page(admin, "Journal")
    admin.page.locator(".o_searchview_input").fill(bens)
    admin.page.keyboard.press("Enter")
    walk.expect(row(admin, bens)).to_be_visible()
    walk.expect(admin.page.locator(".o_data_row", has_text=title)).to_have_count(0)
    admin.shot("journal-searched")
    # Grouped by user.
    admin.page.locator(".o_facet_remove").click()
    admin.page.locator(".o_searchview_dropdown_toggler").click()
    admin.page.locator(".o_group_by_menu").get_by_role("menuitemcheckbox", name="User").click()
    admin.page.keyboard.press("Escape")
    walk.expect(admin.page.locator(".o_group_header", has_text="Ann Archer")).to_be_visible()
    admin.page.locator(".o_group_header", has_text="Ann Archer").click()
    walk.expect(row(admin, title)).to_be_visible()
    admin.shot("journal-grouped")

    # On a phone.
    open_page(ann, "Journal")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    ann.page.reload()
    walk.expect(ann.page.locator(".o_kanban_record", has_text=title).first).to_be_visible()
    ann.settles()
    ann.shot("phone")


def test_the_menu_and_whose_lines_one_sees(site: Site):
    menus = site.client(ANN).execute("ir.ui.menu", "load_menus", False)
    assert "Outlook" in {menu["name"] for menu in menus.values()}
    of_others = [("user_id.login", "=", ANN), ("organizer_id.login", "!=", BEN)]
    assert site.client(BEN).execute("outlook.bridge.journal", "search_count", of_others) == 0
    assert site.client(ANN).execute("outlook.bridge.journal", "search_count", of_others) > 0
