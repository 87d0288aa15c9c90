"""The service is down, or calls to it are lost: Odoo goes on working, and everything arrives once."""

import json

import pytest

from tools import walk
from tools.stack import ADMIN, eventually
from tools.stack.proxy import Loss

from .site import ANN, BEN, Site

STOCK_STATUSES = {
    "need_config_from_admin",
    "need_auth",
    "need_refresh",
    "no_new_event_from_microsoft",
    "sync_stopped",
    "sync_paused",
}


def test_odoo_works_while_the_service_is_down(site: Site, at_browser):
    """Meanwhile events and settings are saved and the calendar page works. Later everything arrives."""
    stack = site.stack
    made, edited, gone, page_made = (
        walk.unique(title) for title in ("Down", "Down, edited", "Down, gone", "Down, page")
    )
    edit_id, gone_id = site.new_event(ANN, edited), site.new_event(ANN, gone)
    site.agrees()
    stack.service.stop()
    try:
        site.new_event(ANN, made, guests=(BEN,))
        site.client(ANN).write("calendar.event", edit_id, location="Room 3")
        site.client(ANN).unlink("calendar.event", gone_id)
        answer = site.client(ANN).route(
            "/microsoft_calendar/sync_data", model="calendar.event", fromurl=f"{stack.odoo.url}/odoo/calendar"
        )
        assert answer["status"] in STOCK_STATUSES

        ann = at_browser(stack, "ann")
        ann.log_in(ANN, "ann")
        week = walk.next_week(day=2)
        ann.new_event(page_made, week)
        ann.save_event()
        ann.show_week(week)
        ann.sees(page_made)
        ann.shot("calendar-while-down")

        admin = at_browser(stack, "admin")
        admin.log_in(*ADMIN)
        box = admin.open_settings()
        walk.expect(box).to_contain_text("bridge does not answer")
        admin.shot("settings-while-down")
        admin.save_settings()
        client = stack.odoo.admin
        wizard = client.create("res.config.settings", external_email_server_default=True)
        client.execute("res.config.settings", "execute", [wizard])
        assert stack.odoo.query(
            "SELECT value FROM ir_config_parameter WHERE key = 'base_setup.default_external_email_server'"
        ) == [("True",)]
    finally:
        stack.service.start()
    for subject in (made, edited, page_made):
        site.outlook_event(ANN, subject)
    site.agrees()
    assert site.outlook_event(ANN, edited)["location"]["displayName"] == "Room 3"
    assert not stack.sim.event(ANN, gone)
    assert site.invitations(made) == [BEN]


def test_outlook_goes_on_while_the_service_is_down(site: Site):
    """Meanwhile events are created, edited and deleted in Outlook."""
    stack = site.stack
    made, edited, gone = (walk.unique(title) for title in ("Away", "Away, edited", "Away, gone"))
    edit_id, gone_id = site.new_outlook_event(BEN, edited), site.new_outlook_event(BEN, gone)
    odoo_id = site.odoo_event(edited)
    site.odoo_event(gone)
    site.agrees()
    stack.service.stop()
    try:
        site.new_outlook_event(BEN, made)
        stack.sim.update_event(BEN, edit_id, {"location": {"displayName": "Room 4"}})
        stack.sim.delete_event(BEN, gone_id)
    finally:
        stack.service.start()
    site.odoo_event(made)
    site.agrees()
    assert stack.odoo.query("SELECT location FROM calendar_event WHERE id = %s", odoo_id) == [("Room 4",)]
    assert not stack.odoo.query("SELECT id FROM calendar_event WHERE name = %s AND active", gone)


def carries(key: str):
    """Returns a test for calls of the exchange that have something under `key`."""

    def matching(body: bytes) -> bool:
        return bool(json.loads(body).get(key))

    return matching


@pytest.mark.parametrize("loss", list(Loss), ids=lambda loss: loss.name.lower())
@pytest.mark.parametrize("key", ["acks", "changes"])
def test_a_lost_call_makes_no_twin(site: Site, key: str, loss: Loss):
    """Two calls with results or changes are lost: either the request or its answer."""
    stack = site.stack
    from_outlook, from_odoo = walk.unique(f"Lost {key}, Outlook's"), walk.unique(f"Lost {key}, Odoo's")
    zoe = f"{from_odoo.split()[-1]}@northwind.example"
    site.proxy.lose(loss, carries(key), times=2)
    try:
        outlook_id = site.new_outlook_event(ANN, from_outlook, guests=(BEN,))
        site.new_event(BEN, from_odoo, guests=(zoe,))

        def lost() -> bool:
            # An open calendar page asks again and again, and so do the crons.
            stack.odoo.run_cron("microsoft_calendar_bridge.ir_cron_exchange")
            return len(site.proxy.lost) == 2

        eventually(lost, message="two calls were lost")
    finally:
        site.proxy.heal()
    event_id = site.odoo_event(from_outlook)
    site.outlook_event(BEN, from_odoo)
    site.agrees()
    assert site.odoo_event(from_outlook) == event_id
    assert stack.sim.event(ANN, from_outlook)["id"] == outlook_id
    assert site.invitations(from_odoo) == [zoe]
    assert site.invitations(from_outlook) == [BEN]
