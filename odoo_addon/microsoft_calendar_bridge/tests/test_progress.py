# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from datetime import datetime, timedelta

from odoo.tests import tagged

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestProgress(BridgeCase):
    """What the calendar page says of a first sync."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann)
        self.connected(hours=1)

    def connected(self, user=None, status="active", **ago):
        at = datetime.now() - timedelta(**ago)
        self.service.set_account(user or self.ann, status, connected_at=f"{at:%Y-%m-%d %H:%M:%S}")
        self.env["outlook.bridge.exchange"]._run()
        self.service.calls.clear()

    def shown(self, user=None, **told):
        """Returns what a user reads while the service says this about Ann."""
        self.service.progress[self.ann.id] = {
            "reading": False,
            "found": 0,
            "left_in_odoo": 0,
            "left_in_outlook": 0,
            **told,
        }
        return self.env["res.users"].with_user(user or self.ann).outlook_bridge_notices()["progress"]

    def test_words(self):
        self.assertIn("40 events in Outlook so far", self.shown(reading=True, found=40, left_in_odoo=3))
        self.assertIn(
            "30 of 40 events of Outlook are in Odoo", self.shown(found=40, left_in_odoo=10, left_in_outlook=7)
        )
        self.assertIn("7 changes are on their way to Outlook", self.shown(found=40, left_in_outlook=7))
        # changes of meetings that are in other mailboxes
        self.assertIn("0 of 10 events", self.shown(found=4, left_in_odoo=10))

    def test_nothing_is_left(self):
        self.service.progress.clear()
        self.assertEqual(self.env["res.users"].with_user(self.ann).outlook_bridge_notices()["progress"], "")

    def test_the_service_is_asked_only_in_the_first_day(self):
        self.connected(hours=25)
        self.assertEqual(self.shown(reading=True), "")
        self.assertFalse(self.service.called("res.users", "progress"))

    def test_nobody_waits_for_a_mailbox_that_is_not_synced(self):
        for status in ("stopped", "need_auth", "resetting"):
            self.connected(status=status, hours=1)
            self.assertEqual(self.shown(reading=True), "")
        self.assertFalse(self.service.called("res.users", "progress"))

    def test_each_reads_their_own(self):
        self.assertEqual(self.shown(self.bob, reading=True), "", "Bob is not connected")
        self.connected(self.bob, minutes=1)
        self.assertEqual(self.shown(self.bob, reading=True), "")
        (call,) = self.service.called("res.users", "progress")
        self.assertEqual(call["kwargs"]["user_id"], self.bob.id)

    def test_the_page_works_without_the_service(self):
        self.service.down = True
        for _ in range(2):
            self.assertEqual(self.shown(reading=True), "")
