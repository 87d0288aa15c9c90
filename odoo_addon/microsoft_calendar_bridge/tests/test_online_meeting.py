# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from lxml import etree

from odoo.exceptions import AccessError
from odoo.tests import Form, tagged

from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_outbox import Applying

from .common import BridgeCase

JOIN = "https://teams.microsoft.com/l/meetup-join/19%3ameeting"
ZOOM = "https://zoom.example/j/1"


@tagged("post_install", "-at_install")
class TestOnlineMeeting(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.discuss = self.env["calendar.event"].get_discuss_videocall_location()
        self.token = self.discuss.rpartition("/")[2]

    def online(self, **values):
        """Returns an event for which Outlook has created a Teams meeting."""
        event = self.event(outlook_bridge_online_meeting=True, **values)
        event.with_context(outlook_bridge_applying=Applying()).videocall_location = JOIN
        self.drop_rows()
        return event

    def both(self, event):
        return event.outlook_bridge_online_meeting, event.videocall_location

    def form(self, event=None, user=None):
        event = (event or self.env["calendar.event"]).with_user(user or self.ann)
        return Form(event, view="calendar.view_calendar_event_form")

    def times(self, event):
        return {name for row in self.rows(event) for name in row.times}

    # what is sent

    def test_nobody_asked(self):
        event = self.event()
        self.assertIs(self.snapshot(event)["online_meeting"], False)
        self.assertIs(self.snapshot(self.event(videocall_location=ZOOM))["online_meeting"], False)
        self.assertEqual(self.rows(event).times.keys() & {"online_meeting"}, {"online_meeting"})

    def test_ticked(self):
        event = self.event()
        version = self.snapshot(event)["version"]
        self.drop_rows()
        event.with_user(self.ann).outlook_bridge_online_meeting = True
        self.assertEqual(self.times(event), {"online_meeting"})
        snapshot = self.snapshot(event)
        self.assertIs(snapshot["online_meeting"], True)
        self.assertNotEqual(snapshot["version"], version)
        self.drop_rows()
        event.with_user(self.ann).outlook_bridge_online_meeting = True
        self.assertFalse(self.rows(event))

    # what is received

    def apply(self, change):
        self.settle()
        [ack], _users = self.env["outlook.bridge.apply"]._apply_page([{"id": 1, "user_id": self.ann.id, **change}])
        self.env.flush_all()
        self.env["outlook.bridge.result"].search([]).unlink()
        return ack

    def test_link_comes_back(self):
        event = self.event(outlook_bridge_online_meeting=True)
        version = self.snapshot(event)["version"]
        self.drop_rows()
        values = {"videocall_location": JOIN}
        ack = self.apply({"op": "write", "res_id": event.id, "version": version, "values": values})
        self.assertEqual(ack["result"], "applied", ack)
        self.assertEqual(self.both(event), (True, JOIN))
        self.assertFalse(self.rows(), "what we apply is not news")

    def test_mailbox_cannot(self):
        event = self.event(outlook_bridge_online_meeting=True)
        version = self.snapshot(event)["version"]
        self.drop_rows()
        values = {"online_meeting": False}
        ack = self.apply({"op": "write", "res_id": event.id, "version": version, "values": values})
        self.assertIs(ack["record"]["online_meeting"], False)
        self.assertFalse(self.rows())

    def test_made_online_in_outlook(self):
        self.ann.outlook_bridge_online_meeting = True
        created = {
            "op": "create",
            "link": "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e7f",
            "values": {"name": "News", "start": self.tomorrow(9), "stop": self.tomorrow(10)},
        }
        event = self.env["calendar.event"].browse(self.apply(created)["record"]["id"])
        self.assertEqual(self.both(event), (False, False), "a wish for new events in Odoo, not for Outlook's")
        created["link"] = "3c6b8a53-7a9f-4b8e-9a36-1b3a4c5d6e80"
        created["values"].update(online_meeting=True, videocall_location=JOIN)
        ack = self.apply(created)
        self.assertEqual((ack["record"]["online_meeting"], ack["record"]["videocall_location"]), (True, JOIN))
        values = {"online_meeting": False, "videocall_location": None}
        version = self.snapshot(event)["version"]
        ack = self.apply({"op": "write", "res_id": event.id, "version": version, "values": values})
        self.assertEqual(ack["result"], "applied", ack)
        self.assertFalse(self.rows())

    # one meeting, one link

    def test_ticking_clears_odoos_call(self):
        for link in (self.discuss, ZOOM):
            event = self.event(videocall_location=link)
            self.drop_rows()
            event.with_user(self.ann).write({"outlook_bridge_online_meeting": True})
            self.assertEqual(self.both(event), (True, False))
            self.assertEqual(self.times(event), {"online_meeting", "videocall_location"})
        event = self.event(videocall_location=self.discuss, outlook_bridge_online_meeting=True)
        self.assertEqual(self.both(event), (True, False))

    def test_other_call_unticks(self):
        for link in (self.discuss, ZOOM, False):
            event = self.online()
            # the buttons of the form set both
            token = {"access_token": self.token} if link == self.discuss else {}
            event.with_user(self.ann).write({"videocall_location": link, **token})
            self.assertEqual(self.both(event), (False, link))
        pending = self.event(outlook_bridge_online_meeting=True)
        pending.with_user(self.ann).videocall_location = ZOOM
        self.assertEqual(self.both(pending), (False, ZOOM))

    def test_unticking_takes_the_link_along(self):
        event = self.online()
        event.with_user(self.ann).outlook_bridge_online_meeting = False
        self.assertEqual(self.both(event), (False, False))
        event = self.online()
        event.with_user(self.ann).write({"outlook_bridge_online_meeting": False, "videocall_location": ZOOM})
        self.assertEqual(self.both(event), (False, ZOOM))

    def test_nothing_new_changes_nothing(self):
        event = self.online()
        event.with_user(self.ann).write({"outlook_bridge_online_meeting": True, "videocall_location": JOIN})
        event.with_user(self.ann).write({"outlook_bridge_online_meeting": True})
        event.with_user(self.ann).write({"videocall_location": JOIN, "name": "Other"})
        self.assertEqual(self.both(event), (True, JOIN))
        self.assertEqual(self.times(event), {"name"})

    def test_many_at_once(self):
        online, call, bare = self.online(), self.event(videocall_location=self.discuss), self.event()
        (online | call | bare).with_user(self.ann).write({"outlook_bridge_online_meeting": True})
        self.assertEqual(self.both(online), (True, JOIN))
        self.assertEqual(self.both(call), (True, False))
        self.assertEqual(self.both(bare), (True, False))

    def test_copy_gets_its_own_link(self):
        event = self.online()
        copied = event.with_user(self.ann).copy()
        self.assertEqual(self.both(copied), (True, False))
        self.assertEqual(self.both(event), (True, JOIN))
        self.assertEqual(self.both(self.event(videocall_location=ZOOM).with_user(self.ann).copy()), (False, ZOOM))

    def test_occurrences_share_what_their_series_has(self):
        event = self.online(recurrency=True, rrule_type="daily", interval=1, end_type="count", count=3)
        occurrences = event.recurrence_id.calendar_event_ids
        self.assertEqual(occurrences.mapped("outlook_bridge_online_meeting"), [True] * 3)
        event.with_user(self.ann).write({"recurrence_update": "all_events", "name": "Daily"})
        occurrences = event.recurrence_id.calendar_event_ids
        self.assertEqual(occurrences.mapped("outlook_bridge_online_meeting"), [True] * 3)

    # the form

    def test_form(self):
        event = self.event(videocall_location=self.discuss)
        with self.form(event) as form:
            form.outlook_bridge_online_meeting = True
            self.assertFalse(form.videocall_location)
            self.assertEqual(form.videocall_source, "custom")
        self.assertEqual(self.both(event), (True, False))
        with self.form(event) as form:
            form.videocall_location = ZOOM
            self.assertFalse(form.outlook_bridge_online_meeting)
        self.assertEqual(self.both(event), (False, ZOOM))

    def test_form_of_an_online_meeting(self):
        event = self.online()
        with self.form(event) as form:
            form.outlook_bridge_online_meeting = False
            self.assertFalse(form.videocall_location)
            form.outlook_bridge_online_meeting = True
            self.assertEqual(form.videocall_location, JOIN, "a slip is no change")
        self.assertEqual(self.both(event), (True, JOIN))
        with self.form(event) as form:
            form.outlook_bridge_online_meeting = False
        self.assertEqual(self.both(event), (False, False))

    def test_form_shows_it_to_the_connected(self):
        def shown(view, user):
            form = Form(self.env["calendar.event"].with_user(user), view=view)
            arch = etree.fromstring(self.env["calendar.event"].get_view(self.env.ref(view).id)["arch"])
            self.assertTrue(arch.xpath("//field[@name='outlook_bridge_online_meeting']"))
            return form.outlook_bridge_archivable

        for view in ("calendar.view_calendar_event_form", "calendar.view_calendar_event_form_quick_create"):
            self.assertTrue(shown(view, self.ann))
            self.assertFalse(shown(view, self.bob))
        self.env["outlook.bridge.pairing"]._forget()
        self.assertFalse(shown(view, self.ann))

    # the default

    def test_default(self):
        self.assertIs(self.ann.outlook_bridge_online_meeting, False)
        self.ann.with_user(self.ann).outlook_bridge_online_meeting = True
        self.assertEqual(self.both(self.event()), (True, False))
        with self.form() as form:
            self.assertTrue(form.outlook_bridge_online_meeting)
            form.name = "Typed"
        self.assertTrue(form.record.outlook_bridge_online_meeting)
        # unless the values say otherwise
        self.assertFalse(self.event(outlook_bridge_online_meeting=False).outlook_bridge_online_meeting)
        for link in (self.discuss, ZOOM):
            event = self.event(videocall_location=link, access_token=self.token)
            self.assertEqual(self.both(event), (False, link))
        with Form(
            self.env["calendar.event"].with_user(self.ann).with_context(default_videocall_location=ZOOM)
        ) as form:
            self.assertFalse(form.outlook_bridge_online_meeting)
            form.name = "Typed"
        time_off = self.env["calendar.event"].with_user(self.ann).with_context(calendar_no_videocall=True)
        self.assertFalse(
            time_off.create(
                {"name": "Away", "start": self.tomorrow(9), "stop": self.tomorrow(10)}
            ).outlook_bridge_online_meeting
        )

    def test_default_is_the_organizers(self):
        (self.ann | self.bob).outlook_bridge_online_meeting = True
        self.assertFalse(self.event(user=self.bob).outlook_bridge_online_meeting, "not connected")
        self.assertTrue(self.event(user=self.bob, user_id=self.ann.id).outlook_bridge_online_meeting)
        self.assertFalse(self.event(user_id=False).outlook_bridge_online_meeting)
        self.env["outlook.bridge.pairing"]._forget()
        self.assertFalse(self.event().outlook_bridge_online_meeting)

    def test_preferences(self):
        view = self.env.ref("base.view_users_form_simple_modif")
        with Form(self.ann.with_user(self.ann), view=view) as form:
            self.assertTrue(form.outlook_bridge_paired)
            form.outlook_bridge_online_meeting = True
        self.assertTrue(self.ann.outlook_bridge_online_meeting)
        with self.assertRaises(AccessError):
            self.ann.with_user(self.bob).outlook_bridge_online_meeting = False
        with Form(self.ann.with_user(self.admin), view="base.view_users_form") as form:
            form.outlook_bridge_online_meeting = False
        self.assertFalse(self.ann.outlook_bridge_online_meeting)
