"""In an organization where users cannot consent to apps: what users read, and what the
administrator does."""

import re
from collections.abc import Callable, Iterator

import pytest

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, Stack

from .site import ANN, CARLA


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    made: Stack = make_stack()
    made.add_user("Ann Archer", ANN, "ann")
    made.pair(made.service.url)
    made.sim.change_app(CLIENT_ID, admin_consent_required=True)
    made.sim.change_person(CARLA, admin=True)
    yield made


def test_an_administrator_grants_for_everybody(stack: Stack, at_browser: Callable[[Stack, str], walk.Person]):
    ann, admin = at_browser(stack, "ann"), at_browser(stack, "admin")
    ann.log_in(ANN, "ann")
    ann.open_calendar()
    ann.page.locator("#microsoft_sync_pending").click()
    ann.page.wait_for_url(re.compile(r"/oauth2/v2\.0/authorize"))
    ann.page.locator(f"button[name=account][value='{ANN}']").click()
    walk.expect(ann.page.get_by_text("Need admin approval").first).to_be_visible()
    ann.shot("need-admin-approval")
    ann.page.locator("#back").click()
    walk.expect(ann.page.locator(".o_outlook_bridge_message")).to_contain_text("Grant for everybody")
    ann.shot("what-to-do")

    admin.log_in(*ADMIN)
    box = admin.open_settings()
    admin.shot("settings")
    box.locator("button[name=action_outlook_bridge_check]").click()
    dialog = admin.page.locator(".modal", has_text="Check of Outlook Calendar")
    worst = dialog.locator("tr.o_data_row").first
    walk.expect(worst).to_contain_text("Problem")
    walk.expect(worst).to_contain_text("Consent at Microsoft")
    walk.expect(worst).to_contain_text("What to do: Let an administrator of Microsoft 365 consent once")
    admin.shot("check")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    walk.expect(dialog).to_have_count(0)
    box.get_by_role("button", name="Grant for everybody…").click()
    admin.page.wait_for_url(re.compile(r"/v2\.0/adminconsent"))
    admin.shot("admin-consent")
    admin.page.locator("#cancel").click()
    walk.expect(admin.page.locator(".o_outlook_bridge_message")).to_contain_text("Nothing was allowed")
    admin.shot("cancelled")
    admin.open_settings().get_by_role("button", name="Grant for everybody…").click()
    admin.page.locator(f"button[name=account][value='{CARLA}']").click()
    walk.expect(admin.page.locator(".o_outlook_bridge_message")).to_contain_text("Everybody in your organization")
    admin.shot("granted")
    admin.page.get_by_text("Back to Odoo").click()
    walk.expect(admin.page.locator(".settings_tab").first).to_be_visible()

    # Users are not asked for permission any more.
    ann.open_calendar()
    ann.page.locator("#microsoft_sync_pending").click()
    ann.page.locator(f"button[name=account][value='{ANN}']").click()
    ann.page.wait_for_url(lambda url: url.startswith(stack.odoo.url))
    walk.expect(
        ann.page.locator("#microsoft_sync_activated, #microsoft_sync_success, .o_calendar_view .fc").first
    ).to_be_visible()
    rows = stack.server.query(stack.bridge_database, "SELECT state FROM accounts")
    assert rows == [("active",)]

    admin.open_settings().locator("button[name=action_outlook_bridge_check]").click()
    row = dialog.locator("tr.o_data_row", has_text="Consent at Microsoft")
    walk.expect(row).to_contain_text("OK")
    stack.service.stop()
    dialog.get_by_role("button", name="Check Again").click()
    walk.expect(dialog.last).to_contain_text("The bridge does not answer")
    walk.expect(dialog.last).to_contain_text("that the port is right")
    admin.shot("check-unreachable")
