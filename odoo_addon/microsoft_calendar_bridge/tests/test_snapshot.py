# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.tests import tagged

from .common import BridgeCase

KEYS = [
    "model",
    "id",
    "link",
    "was",
    "active",
    "recurrent",
    "name",
    "description",
    "location",
    "videocall_location",
    "online_meeting",
    "allday",
    "start",
    "stop",
    "start_date",
    "stop_date",
    "tz",
    "privacy",
    "default_privacy",
    "show_as",
    "reminder_minutes",
    "organizer",
    "attendees",
    "version",
    "stock_ids",
    "mailer",
    "tags",
    "create_date",
    "write_date",
]


@tagged("post_install", "-at_install")
class TestSnapshot(BridgeCase):
    def setUp(self):
        super().setUp()
        self.pair(self.ann)

    def test_shape(self):
        event = self.event(
            partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])],
            alarm_ids=[(6, 0, self.env.ref("calendar.alarm_notif_1").ids)],
            location="Room 1",
        )
        snapshot = self.snapshot(event)
        self.assertEqual(sorted(snapshot), sorted(KEYS))
        self.assertEqual(snapshot, json.loads(json.dumps(snapshot)), "it is what crosses the wire")
        self.assertEqual(snapshot["model"], "calendar.event")
        self.assertEqual(snapshot["tz"], "Europe/Brussels")
        self.assertEqual(snapshot["reminder_minutes"], [15])
        self.assertEqual(
            snapshot["organizer"],
            {
                "user_id": self.ann.id,
                "partner_id": self.ann.partner_id.id,
                "email": "ann@contoso.test",
                "name": "Ann",
            },
        )
        by_email = {attendee["email"]: attendee for attendee in snapshot["attendees"]}
        self.assertEqual(by_email["ann@contoso.test"]["user_id"], self.ann.id)
        self.assertEqual(by_email["ann@contoso.test"]["state"], "accepted")
        self.assertIsNone(by_email["guest@fabrikam.test"]["user_id"])
        self.assertEqual(by_email["guest@fabrikam.test"]["state"], "needsAction")
        self.assertIsNone(snapshot["privacy"])
        self.assertEqual(snapshot["default_privacy"], "public")
        self.assertIsNone(snapshot["start_date"])

    def test_allday(self):
        event = self.event(allday=True, start="2026-12-24 08:00:00", stop="2026-12-26 18:00:00")
        snapshot = self.snapshot(event)
        self.assertEqual((snapshot["start_date"], snapshot["stop_date"]), ("2026-12-24", "2026-12-26"))

    def test_version(self):
        event = self.event()
        version = self.snapshot(event)["version"]
        self.assertEqual(version, self.snapshot(event)["version"])
        event.notes = "<p>internal</p>"
        self.assertEqual(version, self.snapshot(event)["version"])
        event.name = "Other"
        self.assertNotEqual(version, self.snapshot(event)["version"])
        event.name = "Review"
        self.assertEqual(version, self.snapshot(event)["version"])

    def test_contact_block_of_odoo_is_not_told(self):
        event = self.event(
            partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])],
            description="<p>Bring the <b>plans</b></p>",
        )
        self.assertIn("guest@fabrikam.test", event.description)
        self.assertEqual(self.snapshot(event)["description"], "<p>Bring the <b>plans</b></p>")
        # the contact was renamed since, and the snapshot is taken in another language
        self.guest.name = "Renamed"
        self.assertEqual(self.snapshot(event)["description"], "<p>Bring the <b>plans</b></p>")

    def test_contact_block_alone_is_no_description(self):
        event = self.event(partner_ids=[(6, 0, [self.ann.partner_id.id, self.guest.id])])
        self.assertIn("Ann", event.description)
        self.assertIsNone(self.snapshot(event)["description"])

    def test_contact_block_of_before_the_pairing(self):
        self.env["outlook.bridge.pairing"]._unpair()
        guests = [(6, 0, [self.ann.partner_id.id, self.guest.id])]
        event = self.event(partner_ids=guests, description="<p>Bring the plans</p>")
        alone = self.event(partner_ids=guests)
        self.assertIn("guest@fabrikam.test", event.description)
        self.pair(self.ann)
        self.assertEqual(self.snapshot(event)["description"], "<p>Bring the plans</p>")
        self.assertIsNone(self.snapshot(alone)["description"])

    def test_description_of_people_stays(self):
        text = '<div><p>Ask <a href="mailto:guest@fabrikam.test">the <strong>guest</strong></a></p></div>'
        event = self.event()
        event.description = text
        self.assertIn("mailto:guest@fabrikam.test", self.snapshot(event)["description"])

    def test_of_the_vanished(self):
        event = self.event()
        event_id = event.id
        event.unlink()
        self.assertEqual(self.env["outlook.bridge.snapshot"]._build(self.env["calendar.event"].browse(event_id)), {})
