"""The settings of Outlook in Settings, Calendar, as an administrator sees them: unpaired, paired, and
with what is wrong."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, Stack, eventually

from .axe import Look
from .site import ANN, CARLA

Open = Callable[[Stack, str], walk.Person]
SIZES = {"phone": (390, 844), "desk": (1366, 900)}
# Our parts of the page: the groups of settings have no name in the browser.
OURS = ".app_settings_block[data-key=calendar]"
# Odoo's checkboxes for Google and Outlook.
NOT_OURS = ("#sync_google_calendar_setting", "#sync_outlook_calendar_setting")


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    made: Stack = make_stack()
    made.add_user("Ann Archer", ANN, "ann")
    yield made


def badges(box: walk.Locator) -> list[str]:
    return box.locator("#outlook_bridge_state_setting .badge").all_inner_texts()


def shows(admin: walk.Person, look: Look, title: str, *expected: str) -> None:
    """Opens the settings, looks at them on a phone and on a desk, and compares the badges."""
    box = admin.open_settings()
    admin.settles()
    assert badges(box)[: len(expected)] == list(expected)
    for name, (width, height) in SIZES.items():
        admin.page.set_viewport_size({"width": width, "height": 2600})
        admin.settles()
        pane = admin.page.locator(".o_setting_container .settings")
        wide, shown = pane.evaluate("pane => [pane.scrollWidth, pane.clientWidth]")
        assert wide <= shown, f"at a width of {width}, the page is {wide} wide and shows {shown}"
        if name == "phone":
            admin.shot(f"{title}-{name}")
        else:
            look(admin, f"{title}-{name}", OURS, exclude=NOT_OURS)
        admin.page.set_viewport_size({"width": width, "height": height})


def test_what_an_administrator_sees(stack: Stack, at_browser: Open, look: Look):
    admin, client = at_browser(stack, "admin"), stack.odoo.admin
    admin.log_in(*ADMIN)
    for key, value in {"range_days": "100", "color": "1"}.items():
        client.execute("ir.config_parameter", "set_param", f"microsoft_calendar.sync.{key}", value)
    shows(admin, look, "unpaired", "Not paired")
    walk.expect(admin.page.locator("button[name=action_outlook_bridge_check]")).to_have_count(0)

    stack.pair(stack.service.url)
    stack.connect(stack.odoo.client(ANN, "ann"))
    shows(admin, look, "paired", "Paired", "App registration valid")
    # What is rarely needed is folded away.
    unpair = admin.page.locator("button[name=action_outlook_bridge_unpair]")
    walk.expect(unpair).to_be_hidden()
    admin.page.locator("summary", has_text="Which days").press("Enter")
    walk.expect(unpair).to_be_visible()
    unpair.scroll_into_view_if_needed()
    look(admin, "unfolded", ".o_outlook_bridge_rare")

    soon = (walk.next_week() + timedelta(days=5)).date().isoformat()
    wizard = client.create("res.config.settings", outlook_bridge_secret_expires_on=soon)
    client.execute("res.config.settings", "execute", [wizard])
    shows(admin, look, "soon", "Paired", "Secret expires soon")

    # Nobody may consent for themselves any more.
    stack.sim.change_app(CLIENT_ID, admin_consent_required=True)
    stack.sim.change_person(CARLA, admin=True)
    stack.sim.change_person(ANN, token_error=65001)
    stack.sim.expire_tokens(ANN)
    eventually(
        lambda: stack.odoo.query("SELECT 1 FROM outlook_bridge_account WHERE status = 'need_auth'"),
        120,
        message="Ann's consent is gone",
    )
    shows(admin, look, "consent", "Paired", "Secret expires soon", "Consent needed")
    stack.sim.change_person(ANN, token_error=None)

    stack.service.stop()
    shows(admin, look, "silent", "No answer")


def test_a_refused_app_registration(make_stack: Callable[..., Stack], at_browser: Open, look: Look):
    stack: Stack = make_stack()
    stack.add_user("Ann Archer", ANN, "ann")
    stack.pair(stack.service.url)
    stack.connect(stack.odoo.client(ANN, "ann"))
    admin = at_browser(stack, "admin")
    admin.log_in(*ADMIN)
    stack.sim.change_app(CLIENT_ID, secret_expired=True)
    stack.sim.expire_tokens(ANN)
    eventually(lambda: "refused" in " ".join(badges(admin.open_settings())), 120, message="it is refused")
    shows(admin, look, "refused", "Paired", "App registration refused")
