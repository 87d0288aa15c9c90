"""A site that used Odoo's built-in sync with a rule and limits of its own pairs through the pages."""

from pathlib import Path

from tools import walk
from tools.stack import ADMIN, CLIENT_ID, CLIENT_SECRET, Stack

from .site import ANN, Site

# An add-on of the site that keeps private events out of Outlook.
MANIFEST = {"name": "Site Filter", "version": "19.0.1.0.0", "license": "LGPL-3", "depends": ["microsoft_calendar"]}
RULE = """
from odoo import models
from odoo.fields import Domain


class CalendarEvent(models.Model):
    _inherit = "calendar.event"

    def _get_microsoft_sync_domain(self):
        return super()._get_microsoft_sync_domain() & Domain("privacy", "!=", "private")
"""
SITE = {
    "microsoft_calendar.sync.range_days": "180",
    "microsoft_calendar.sync.color": "red",
}


def test_what_a_site_had_set_is_taken_over_and_private_events_stay_apart(make_stack, at_browser, tmp_path: Path):
    addon = tmp_path / "site_filter"
    addon.mkdir()
    (addon / "__manifest__.py").write_text(repr(MANIFEST))
    (addon / "__init__.py").write_text("from . import calendar_event\n")
    (addon / "calendar_event.py").write_text(RULE)
    stack: Stack = make_stack(odoo_options={"site_addons": tmp_path})
    site = Site(stack)
    stack.add_user("Ann Archer", ANN, "ann")
    admin = stack.odoo.admin
    admin.execute("ir.module.module", "update_list")
    module = admin.execute("ir.module.module", "search", [["name", "=", "site_filter"]])
    admin.execute("ir.module.module", "button_immediate_install", module)
    for key, value in SITE.items():
        admin.execute("ir.config_parameter", "set_param", key, value)
    site.new_event(ANN, "Surgery", privacy="private")
    site.new_event(ANN, "Review")

    page = at_browser(stack, "admin")
    page.log_in(*ADMIN)
    box = page.open_settings()
    words = box.inner_text()
    assert "180 days back and 360 days ahead" in words
    assert "The rule of site_filter" in words
    assert "microsoft_calendar.sync.color means nothing" in words
    page.shot("before-pairing")
    for field, value in {
        "outlook_bridge_url": site.proxy.url,
        "outlook_bridge_code": stack.service.enroll(),
        "cal_microsoft_client_id": CLIENT_ID,
        "cal_microsoft_client_secret": CLIENT_SECRET,
    }.items():
        page.setting(box, field).fill(value)
    page.save_settings(reloads=False)
    question = page.page.locator(".modal")
    walk.expect(question).to_contain_text("microsoft_calendar.sync.color")
    page.shot("question")
    question.locator(".btn-secondary").click()
    walk.expect(question).to_have_count(0)
    assert not stack.odoo.query("SELECT id FROM ir_config_parameter WHERE key = 'microsoft_calendar_bridge.key'")
    page.save_settings(reloads=False)
    with page.page.expect_event("load"):
        question.locator(".btn-primary").click()
    box = page.open_settings()
    assert "Paired" in box.inner_text()
    assert page.setting(box, "outlook_bridge_days_ahead").input_value() == "360"
    page.shot("paired")
    limits = stack.server.query(stack.bridge_database, "SELECT days_back, days_ahead FROM databases")
    assert limits == [(180, 360)]

    stack.connect(site.client(ANN))
    site.outlook_event(ANN, "Review")
    later = site.new_event(ANN, "Therapy", privacy="private", day=11)
    site.new_event(ANN, "Budget", day=12)
    site.outlook_event(ANN, "Budget")
    site.agrees_to_owe_nothing()
    subjects = {event["subject"] for event in stack.sim.events(ANN)}
    assert not subjects & {"Surgery", "Therapy"}
    told = stack.server.query(stack.bridge_database, "SELECT id FROM meetings WHERE odoo_state ->> 'name' = 'Therapy'")
    assert not told, "the service was told of it"
    # The event becomes public, so the rule lets it through.
    site.client(ANN).execute("calendar.event", "write", [later], {"privacy": "public"})
    site.outlook_event(ANN, "Therapy")
    assert not stack.sim.event(ANN, "Surgery")

    admin.execute("res.config.settings", "action_outlook_bridge_unpair", [admin.create("res.config.settings")])
    for key, value in SITE.items():
        assert admin.execute("ir.config_parameter", "get_param", key) == value
    site.close()
