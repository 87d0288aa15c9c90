# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import json

from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import BridgeCase, BridgeMixin


@tagged("post_install", "-at_install")
class TestInAnothersName(BridgeCase):
    """The service decides by who made a change, so it must be told who."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)
        self.eve = new_test_user(self.env, "bridge_eve", groups="base.group_user")
        self.event_of_ann = self.event(partner_ids=[(4, self.ann.partner_id.id), (4, self.bob.partner_id.id)])
        self.drop_rows()

    def line(self):
        return self.event_of_ann.attendee_ids.filtered(lambda line: line.partner_id == self.bob.partner_id)

    def told(self):
        return self.wires()

    def told_of_bob(self):
        [change] = self.told()
        [line] = [line for line in change["record"]["attendees"] if line["user_id"] == self.bob.id]
        return line

    def test_who_answered(self):
        for user, facts in (
            (self.eve, {"is_admin": False, "by_link": False}),
            (self.bob, {"is_admin": False, "by_link": False}),
            (self.admin, {"is_admin": True, "by_link": False}),
        ):
            self.line().with_user(user).do_decline()
            self.assertEqual(self.told_of_bob()["answered_by"], {"uid": user.id, "name": user.name, **facts})
            self.line().with_user(user).do_tentative()
        public = self.env.ref("base.public_user")
        # as the page behind an invitation's link does
        self.line().with_user(public).sudo().do_accept()
        self.assertTrue(self.told_of_bob()["answered_by"]["by_link"])

    def test_nobody_else_says_who_answered(self):
        forged = {"uid": self.bob.id, "name": "Bob", "is_admin": True, "by_link": True}
        self.line().with_user(self.eve).write({"state": "declined", "outlook_bridge_answered_by": forged})
        self.assertEqual(self.told_of_bob()["answered_by"]["uid"], self.eve.id)
        self.line().with_user(self.eve).write({"outlook_bridge_answered_by": forged})
        self.event_of_ann.with_user(self.eve).write(
            {"attendee_ids": [(1, self.line().id, {"outlook_bridge_answered_by": forged})]}
        )
        self.assertEqual(self.told_of_bob()["answered_by"]["uid"], self.eve.id)

    def test_an_answer_from_outlook_is_nobodys(self):
        self.line().with_user(self.eve).do_decline()
        snapshot = self.env["outlook.bridge.snapshot"]._of(self.event_of_ann)
        attendees = [{"email": self.bob.email, "name": "Bob", "state": "accepted", "user_id": self.bob.id}]
        change = {"id": 1, "op": "write", "res_id": self.event_of_ann.id, "user_id": self.ann.id}
        change.update(version=snapshot["version"], values={"attendees": attendees})
        [ack], _users = self.env["outlook.bridge.apply"]._apply_page([change])
        self.assertEqual(ack["result"], "applied")
        self.assertEqual(self.line().state, "accepted")
        self.assertFalse(self.line().outlook_bridge_answered_by)

    def test_who_saved(self):
        self.event_of_ann.with_user(self.eve).write({"name": "Eve's"})
        # Odoo makes changes that follow from an edit as the superuser
        self.event_of_ann.with_user(self.env.ref("base.user_root")).write({"location": "There"})
        [change] = self.told()
        self.assertEqual(change["actors"], [{"uid": self.eve.id, "name": self.eve.name, "is_admin": False}])
        self.drop_rows()
        self.event_of_ann.with_user(self.admin).unlink()
        [change] = self.told()
        self.assertEqual(change["kind"], "tombstone")
        self.assertEqual(change["actors"], [{"uid": self.admin.id, "name": self.admin.name, "is_admin": True}])

    def test_everybody_who_saved_since_it_was_told(self):
        rows = [
            {"res_model": "calendar.event", "res_id": self.event_of_ann.id, "cause": "save"}
            | {"acting_uid": user.id, "times": {}, "txid": str(user.id)}
            for user in (self.eve, self.ann)
        ]
        self.env["outlook.bridge.outbox"].create(rows)
        [change] = self.told()
        self.assertEqual([actor["uid"] for actor in change["actors"]], [self.eve.id, self.ann.id])

    def test_a_series_that_was_a_single_event_says_so_once_that_is_over(self):
        other = self.event()
        series = self.series()
        series._outlook_bridge_note({"outlook_bridge_was": {"model": "calendar.event", "id": other.id, "link": None}})
        snapshot = self.env["outlook.bridge.series.snapshot"]
        self.assertIsNone(snapshot._build(series)[series.id]["was"])
        other.unlink()
        self.assertEqual(snapshot._build(series)[series.id]["was"]["id"], other.id)


@tagged("post_install", "-at_install")
class TestFromOutside(BridgeMixin, HttpCase):
    """Portal users are outsiders, such as customers."""

    def setUp(self):
        super().setUp()
        self.portal = new_test_user(self.env, "bridge_customer", groups="base.group_portal")
        self.pair(self.ann)

    def test_a_portal_user_does_not_connect(self):
        self.env.flush_all()
        self.service.calls.clear()
        self.authenticate("bridge_customer", "bridge_customer")
        response = self.url_open(
            "/microsoft_calendar/sync_data",
            data=json.dumps({"params": {"model": "calendar.event", "fromurl": "http://odoo.test/"}}),
            headers={"Content-Type": "application/json"},
        )
        self.assertEqual(response.json()["result"]["status"], "sync_stopped")
        state = json.dumps({"b": "sealed"})
        response = self.url_open(f"/microsoft_account/authentication?state={state}&code=c", allow_redirects=False)
        self.assertEqual(response.status_code, 403)
        for method in ("restart_microsoft_synchronization", "stop_microsoft_synchronization"):
            self.url_open(
                f"/web/dataset/call_kw/res.users/{method}",
                data=json.dumps(
                    {"params": {"model": "res.users", "method": method, "args": [self.portal.ids], "kwargs": {}}}
                ),
                headers={"Content-Type": "application/json"},
            )
        methods = {call["method"] for call in self.service.calls}
        self.assertFalse(methods & {"authorize_url", "redeem", "restart", "switch_mailbox"}, methods)

    def test_nothing_is_applied_for_a_portal_user(self):
        change = {"id": 1, "op": "create", "link": "d9428888-122b-11e1-b85c-61cd3cbb3210", "user_id": self.portal.id}
        organizer = {"email": self.ann.email, "name": "Ann"}
        change["values"] = {"name": "Forged", "start": "2027-03-01 09:00:00", "stop": "2027-03-01 10:00:00"}
        change["values"]["organizer"] = organizer
        [ack], _users = self.env["outlook.bridge.apply"]._apply_page([change])
        self.assertEqual(ack["result"], "refused")
        self.assertFalse(self.env["calendar.event"].search([("name", "=", "Forged")]))

    def test_who_becomes_one_is_let_go(self):
        self.assertFalse(self.env["outlook.bridge.account"]._departed())
        self.ann.write({"group_ids": [(6, 0, self.env.ref("base.group_portal").ids)]})
        self.assertEqual(self.env["outlook.bridge.account"]._departed(), [{"user_id": self.ann.id, "deleted": False}])

    def test_settings_are_the_administrators(self):
        for user in (self.ann, self.portal, self.env.ref("base.public_user")):
            values = self.env["res.config.settings"].with_user(user).get_values()
            self.assertFalse([name for name in values if name.startswith("outlook_bridge_")])
        values = self.env["res.config.settings"].with_user(self.env.ref("base.user_admin")).get_values()
        self.assertTrue(values["outlook_bridge_url"])

    def test_whether_a_colleague_is_connected(self):
        for user in (self.bob, self.portal):
            with self.assertRaises(AccessError):
                self.ann.with_user(user).check_synchronization_status()
        self.assertTrue(self.ann.with_user(self.bob)._has_any_active_synchronization(), "Odoo itself has to know")
        status = self.ann.with_user(self.ann).check_synchronization_status()
        self.assertEqual(status["microsoft_calendar"], "sync_active")
