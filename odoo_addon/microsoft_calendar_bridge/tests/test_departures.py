# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import time
from unittest.mock import patch

from odoo.tests import tagged

from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_account import DEPARTURE_SECONDS

from .common import BridgeCase

ACCOUNT = "odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_account"


@tagged("post_install", "-at_install")
class TestDepartures(BridgeCase):
    """Users who are archived or deleted: the service is told with the next exchange."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)
        self.triggered = []
        patcher = patch.object(IrCron, "_trigger", lambda cron, at=None: self.triggered.append(cron.id))
        patcher.start()
        self.addCleanup(patcher.stop)

    def test_nobody(self):
        self.exchange()
        self.assertFalse(self.service.departed)

    def test_archived(self):
        self.service.down = True
        self.ann.action_archive()
        self.assertTrue(self.triggered, "nobody waits for the service, and it is told soon")
        self.exchange()
        self.assertFalse(self.service.departed)
        self.service.down = False
        self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": self.ann.id, "deleted": False}])
        self.assertEqual(self.ann._outlook_bridge_status(), "need_auth")
        self.exchange()
        self.assertEqual(len(self.service.departed), 1, "told once")
        self.ann.action_unarchive()
        self.exchange()
        self.assertEqual(len(self.service.departed), 1)

    def test_archived_behind_our_back(self):
        self.exchange()
        self.env.cr.execute("UPDATE res_users SET active = false WHERE id = %s", [self.ann.id])
        self.env.invalidate_all()
        with patch(f"{ACCOUNT}.time") as later:
            later.time.return_value = time.time() + DEPARTURE_SECONDS
            self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": self.ann.id, "deleted": False}])

    def test_deleted(self):
        ann = self.ann.id
        self.ann.unlink()
        self.assertTrue(self.triggered)
        self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": ann, "deleted": True}])
        self.exchange()
        self.assertEqual(len(self.service.departed), 1, "told once")
        self.assertEqual(self.bob._outlook_bridge_status(), "active")
        self.assertFalse(self.env["outlook.bridge.account"].search([("user_id", "=", False)]))

    def test_portal_user(self):
        self.exchange()
        self.ann.group_ids = self.env.ref("base.group_portal")
        self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": self.ann.id, "deleted": False}])

    def test_deleted_by_another_program(self):
        ann = self.ann.id
        self.exchange()
        self.env.flush_all()
        self.env.cr.execute("UPDATE outlook_bridge_account SET user_id = NULL WHERE user_id = %s", [ann])
        self.env.invalidate_all()
        self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": ann, "deleted": True}])
        self.assertFalse(self.env["outlook.bridge.account"].search([("user_id", "=", False)]))

    def test_deleted_behind_our_back(self):
        # the service still knows a user who does not exist here
        self.service.state["accounts"].append({**self.service.state["accounts"][0], "user_id": 10**8})
        self.exchange()
        self.assertFalse(self.service.departed)
        self.exchange()
        self.assertEqual(self.service.departed, [{"user_id": 10**8, "deleted": True}])
        self.exchange()
        self.assertEqual(len(self.service.departed), 1)

    def test_unpaired(self):
        self.env["outlook.bridge.pairing"]._unpair()
        self.triggered.clear()
        self.ann.action_archive()
        self.bob.unlink()
        self.assertFalse(self.triggered)
