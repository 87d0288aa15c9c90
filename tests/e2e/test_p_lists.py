"""The pages below Calendar, Outlook: what people and administrators see of the sync, and do there."""

import time
from collections.abc import Callable

import pytest

from tools import walk
from tools.stack import ADMIN, RpcError, Stack, eventually

from .axe import Look
from .series import agree, monday, new_series, occurrence, utc, weekly
from .site import ANN, BEN, CARLA, PATIENCE, Site

Open = Callable[[Stack, str], walk.Person]


# What is ours in the form of an event, and of the wizard that resets an account.
OF_AN_EVENT = (".o_outlook_bridge_standing", "button[name=action_outlook_bridge_journal]")
OF_A_RESET = (".o_outlook_bridge_preview",)


def open_page(person: walk.Person, name: str) -> None:
    person.open_calendar()
    person.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
    person.page.get_by_role("menuitem", name=name, exact=True).click()
    walk.expect(person.page.locator(".o_list_view, .o_kanban_view")).to_be_visible()
    person.settles()


def row(person: walk.Person, words: str) -> walk.Locator:
    return person.page.locator(".o_data_row", has_text=words).first


def test_the_pages_of_a_user_and_of_an_administrator(site: Site, at_browser: Open, look: Look):
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
    look(ann, "event", *OF_AN_EVENT)
    ann.page.get_by_role("button", name="Outlook").last.click()
    walk.expect(row(ann, title)).to_be_visible()
    walk.expect(ann.page.locator(".o_data_row", has_text=bens)).to_have_count(0)
    look(ann, "journal-of-event")

    open_page(ann, "Journal")
    walk.expect(row(ann, title)).to_be_visible()
    walk.expect(ann.page.locator(".o_data_row", has_text=bens)).to_have_count(0)
    look(ann, "journal")
    open_page(ann, "Events")
    walk.expect(row(ann, title)).to_contain_text("In step")
    look(ann, "events")
    open_page(ann, "Set Aside")
    walk.expect(ann.page.get_by_text("Nothing is set aside")).to_be_visible()
    look(ann, "set-aside-empty")

    # What was deleted is put back, once one has seen what that does.
    open_page(ann, "Deleted Events")
    look(ann, "deleted")
    row(ann, gone).get_by_role("button", name="Put back").click()
    dialog = ann.page.get_by_role("dialog")
    walk.expect(dialog).to_contain_text("Nobody is mailed")
    look(ann, "put-back")
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
    look(ann, "conflicts")
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
    look(admin, "accounts")
    row(admin, "Ann Archer").locator("td").nth(2).click()
    walk.expect(admin.page.locator(".o_form_view")).to_contain_text("Microsoft Account")
    admin.settles()
    look(admin, "account")
    # Below the account's user, it is reset.
    admin.page.goto(f"{site.stack.odoo.url}/odoo/action-base.action_res_users/{site.stack.users[ANN]}")
    admin.page.locator(".o_notebook .nav-link", has_text="Calendar").click()
    admin.page.locator("button:visible", has_text="Reset Account").click()
    walk.expect(admin.page.locator(".o_outlook_bridge_preview")).to_contain_text("Ann Archer is disconnected")
    look(admin, "reset", *OF_A_RESET)
    admin.page.locator(".modal").get_by_role("button", name="Cancel").click()
    open_page(admin, "Accounts")
    # The administrator has no mailbox here.
    admin.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
    admin.page.get_by_role("menuitem", name="Waiting for You").click()
    walk.expect(admin.page.locator(".o_notification")).to_contain_text("Your calendar is not connected")
    look(admin, "nothing-waits")
    open_page(admin, "Not Connected")
    walk.expect(admin.page.locator(".o_data_row", has_text="Ann Archer")).to_have_count(0)
    look(admin, "not-connected")
    open_page(admin, "Journal")
    admin.page.locator(".o_searchview_input").fill(bens)
    walk.expect(admin.page.locator(".o_searchview_autocomplete")).to_contain_text(bens)
    admin.page.keyboard.press("Enter")
    walk.expect(row(admin, bens)).to_be_visible()
    walk.expect(admin.page.locator(".o_data_row", has_text=title)).to_have_count(0)
    look(admin, "journal-searched")
    # Grouped by user.
    admin.page.locator(".o_facet_remove").click()
    admin.page.locator(".o_searchview_dropdown_toggler").click()
    admin.page.locator(".o_group_by_menu").get_by_role("menuitemcheckbox", name="User").click()
    admin.page.keyboard.press("Escape")
    walk.expect(admin.page.locator(".o_group_header", has_text="Ann Archer")).to_be_visible()
    admin.page.locator(".o_group_header", has_text="Ann Archer").click()
    walk.expect(row(admin, title)).to_be_visible()
    look(admin, "journal-grouped")

    # On a phone.
    open_page(ann, "Journal")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    ann.page.reload()
    walk.expect(ann.page.locator(".o_kanban_record", has_text=title).first).to_be_visible()
    ann.settles()
    look(ann, "phone")


def test_the_menu_and_whose_lines_one_sees(site: Site):
    menus = site.client(ANN).execute("ir.ui.menu", "load_menus", False)
    assert "Outlook" in {menu["name"] for menu in menus.values()}
    of_others = [("user_id.login", "=", ANN), ("organizer_id.login", "!=", BEN)]
    assert site.client(BEN).execute("outlook.bridge.journal", "search_count", of_others) == 0
    assert site.client(ANN).execute("outlook.bridge.journal", "search_count", of_others) > 0


def test_who_is_only_invited(site: Site, at_browser: Open, look: Look):
    """A guest sees what was done in the own mailbox, and nothing that the organizer alone may see."""
    stack = site.stack
    title, own = walk.unique("Invited"), walk.unique("Alone")
    if CARLA not in stack.users:
        stack.add_user("Carla Cole", CARLA, "carla")
    event = site.new_event(ANN, title, guests=(BEN, CARLA))
    site.new_event(ANN, own)
    for mailbox in (ANN, BEN):
        eventually(lambda m=mailbox: site.outlook_event(m, title), PATIENCE, message=f"{mailbox} has it")
    site.agrees_to_owe_nothing()

    ben = at_browser(stack, "ben")
    ben.log_in(BEN, "ben")
    # How the event stands is the organizer's matter.
    ben.open_event(event)
    ben.settles()
    walk.expect(ben.page.locator(", ".join(OF_AN_EVENT))).to_have_count(0)
    ben.shot("event")
    open_page(ben, "Events")
    walk.expect(ben.page.locator(".o_data_row", has_text=title)).to_have_count(0)
    look(ben, "events")
    open_page(ben, "Journal")
    walk.expect(ben.page.locator(".o_data_row", has_text=own)).to_have_count(0)
    look(ben, "journal")
    for page in ("Accounts", "Conflicts", "Set Aside", "Deleted Events"):
        open_page(ben, page)
        walk.expect(ben.page.locator(".o_data_row", has_text="Ann")).to_have_count(0)
        look(ben, page)

    # Without a mailbox of one's own.
    carla = at_browser(stack, "carla")
    carla.log_in(CARLA, "carla")
    carla.open_event(event)
    carla.settles()
    carla.shot("event")
    for page in ("Accounts", "Events", "Conflicts", "Set Aside", "Deleted Events", "Journal"):
        open_page(carla, page)
        walk.expect(carla.page.locator(".o_data_row")).to_have_count(0)
        look(carla, page)


def test_a_portal_user_sees_nothing_of_it(site: Site, at_browser: Open):
    admin = site.stack.odoo.admin
    login = f"{walk.unique('portal').replace(' ', '-').lower()}@northwind.example"
    portal = [["module", "=", "base"], ["name", "=", "group_portal"]]
    (group,) = admin.search_read("ir.model.data", portal, ["res_id"])
    groups = [[6, 0, [group["res_id"]]]]
    admin.create("res.users", name="Paula Port", login=login, email=login, password="paula", group_ids=groups)
    site.new_event(ANN, walk.unique("With Paula"), guests=(login,))
    site.agrees_to_owe_nothing()
    paula = at_browser(site.stack, "paula")
    page, url = paula.page, site.stack.odoo.url
    page.goto(f"{url}/web/login")
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill("paula")
    page.locator("button[type=submit]", has_text="Log in").click()
    walk.expect(page.get_by_text("You are logged in.")).to_be_visible()
    walk.expect(page.get_by_text("Outlook")).to_have_count(0)
    paula.shot("home")
    for action in ("account", "meeting", "journal", "trouble"):
        page.goto(f"{url}/odoo/action-microsoft_calendar_bridge.outlook_bridge_{action}_action")
        walk.expect(page.locator("body")).not_to_contain_text("Error")
        walk.expect(page.locator("body")).not_to_contain_text("Outlook")
    paula.shot("sent-away")
    client = site.stack.odoo.client(login, "paula")
    for model in ("account", "journal", "meeting", "trouble"):
        with pytest.raises(RpcError) as refused:
            client.search_read(f"outlook.bridge.{model}", [], [])
        assert refused.value.name == "odoo.exceptions.AccessError"


def test_a_login_that_has_lapsed(site: Site, at_browser: Open, look: Look):
    """The pages still show what was done, and say what has to be done."""
    stack = site.stack
    title = walk.unique("Before")
    event = site.new_event(BEN, title)
    eventually(lambda: site.outlook_event(BEN, title), PATIENCE, message="it is in Outlook")
    site.agrees_to_owe_nothing()
    stack.sim.revoke(BEN)
    stack.sim.expire_tokens(BEN)
    # Sending it needs the login.
    kept = site.new_event(BEN, walk.unique("Kept"))

    def has_lapsed() -> bool:
        # Odoo's job, which tells it, starts each minute.
        stack.odoo.run_cron("microsoft_calendar_bridge.ir_cron_exchange")
        return bool(stack.odoo.query("SELECT 1 FROM outlook_bridge_account WHERE status = 'need_auth'"))

    eventually(has_lapsed, PATIENCE, interval=2, message="Ben's login has lapsed")

    ben = at_browser(stack, "ben")
    ben.log_in(BEN, "ben")
    open_page(ben, "Accounts")
    walk.expect(row(ben, "Ben Baker")).to_contain_text("Sign-in needed")
    look(ben, "accounts")
    row(ben, "Ben Baker").locator("td").nth(2).click()
    walk.expect(ben.page.get_by_role("button", name="Log in to Outlook")).to_be_visible()
    look(ben, "account", ".o_form_statusbar", ".o_form_sheet")
    for page in ("Events", "Journal"):
        open_page(ben, page)
        walk.expect(row(ben, title)).to_be_visible()
        look(ben, page)
    for page in ("Conflicts", "Set Aside", "Deleted Events"):
        open_page(ben, page)
        look(ben, page)
    for number, name in ((event, "event"), (kept, "event-not-sent")):
        ben.open_event(number)
        look(ben, name, *OF_AN_EVENT)
    ben.page.get_by_role("banner").get_by_role("button", name="Outlook").click()
    ben.page.get_by_role("menuitem", name="Waiting for You").click()
    walk.expect(ben.page.get_by_role("button", name="Log in to Outlook")).to_be_visible()
    ben.shot("waiting")
    # Ben logs in.
    stack.connect(site.client(BEN))
    eventually(lambda: not has_lapsed(), PATIENCE, interval=2, message="Ben is connected again")


def test_the_value_of_an_occurrence_a_reminder_and_a_repetition_that_was_not_kept(
    site: Site, at_browser: Open, look: Look
):
    """While nothing is exchanged, both sides change the title of one occurrence, the reminder of an
    event, and how long a series goes on."""
    one, alone, ending = walk.unique("One of them"), walk.unique("Reminded"), walk.unique("Ending")
    client = site.client(ANN)
    events = new_series(site, one, count=3)
    longer = new_series(site, ending, count=4, start=utc(monday(14)), stop=utc(monday(15)))
    event = site.new_event(ANN, alone)
    agree(site, one, count=3)
    agree(site, ending, count=4)
    eventually(lambda: site.outlook_event(ANN, alone), PATIENCE, message="it is in Outlook")
    site.agrees()

    site.stack.service.stop()
    theirs, ours = f"{one} (Outlook)", f"{one} (Odoo)"
    sim = site.stack.sim
    sim.update_event(ANN, occurrence(site, one, 1)["id"], {"subject": theirs})
    sim.update_event(ANN, site.outlook_event(ANN, ending)["id"], {"recurrence": weekly(2)})
    reminded = {"isReminderOn": True, "reminderMinutesBeforeStart": 45}
    sim.update_event(ANN, site.outlook_event(ANN, alone)["id"], reminded)
    # Odoo's edits are the later ones, and are kept. Odoo's times are whole seconds.
    time.sleep(1.1)
    client.write("calendar.event", events[1], name=ours, recurrence_update="self_only")
    client.write("calendar.event", longer[0], count=6, end_type="count", recurrence_update="all_events")
    [(alarm,)] = site.stack.odoo.query(
        "SELECT res_id FROM ir_model_data WHERE module = 'calendar' AND name = 'alarm_notif_2'"
    )
    client.write("calendar.event", event, alarm_ids=[[6, 0, [alarm]]])
    site.stack.service.start()
    agree(site, one, ours, count=3)
    agree(site, ending, count=6)
    site.agrees()

    def is_told() -> bool:
        return bool(
            site.stack.odoo.query(
                "SELECT 1 FROM mail_activity activity JOIN res_users users ON users.id = activity.user_id "
                "WHERE activity.active AND users.login = %s AND activity.summary LIKE %s",
                ANN,
                "%changed on both sides%",
            )
        )

    eventually(is_told, PATIENCE, message="she is told of the conflicts")
    ann = at_browser(site.stack, "ann")
    ann.log_in(ANN, "ann")
    open_page(ann, "Conflicts")
    eventually(lambda: not is_told(), PATIENCE, message="she has looked at them")
    walk.expect(row(ann, theirs)).to_contain_text("Title")
    walk.expect(row(ann, ending)).to_contain_text("Time")
    walk.expect(row(ann, alone)).to_contain_text("Reminder")
    look(ann, "conflicts-of-a-series")

    def take(words: str) -> None:
        row(ann, words).get_by_role("button", name="Take the other one").click()
        ann.page.get_by_role("dialog").get_by_role("button", name="Ok").click()
        walk.expect(ann.page.locator(".o_notification")).to_contain_text("The other value is saved")
        ann.page.locator(".o_notification_close").first.click()

    take(theirs)
    take(ending)
    take(alone)
    titles = [name for name, _, _ in agree(site, one, theirs, count=3)]
    assert titles == [one, theirs, one]
    agree(site, ending, count=2)
    eventually(
        lambda: site.outlook_event(ANN, alone)["reminderMinutesBeforeStart"] == 45, PATIENCE, message="the reminder"
    )
    site.agrees()
