# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo.exceptions import AccessError, MissingError, UserError
from odoo.tests import tagged

from .common import BridgeCase


@tagged("post_install", "-at_install")
class TestPreview(BridgeCase):
    """The user sees whom Outlook would mail, and the decision is forwarded."""

    def setUp(self):
        super().setUp()
        self.pair(self.ann, self.bob)
        self.meetings = self.event(start=self.tomorrow(9)) | self.event(name="Kick-off", start=self.tomorrow(11))
        self.drop_rows()

    def tell(self, user, events, *, past=0, held=None):
        """Makes the service say that these events wait, and that the last ``past`` of them are over."""
        upcoming = len(events) - past
        self.service.previews[user.id] = {
            "to_odoo": 3,
            "to_outlook": 4,
            "events": [
                {
                    "res_id": event.id,
                    "title": event.name,
                    "start": "2026-11-22 10:00:00",
                    "recurrent": False,
                    "over": number >= upcoming,
                    "guests": 2,
                    "outside": 1,
                    "state": "waiting",
                }
                for number, event in enumerate(events)
            ],
            "people": [{"email": "guest@fabrikam.test", "name": "Guest", "outside": True, "invitations": upcoming}],
            "future": {"events": upcoming, "past": 0, "mails": 2 * upcoming, "people": 2, "outside": 1},
            "all": {"events": len(events), "past": past, "mails": 2 * upcoming, "people": 2, "outside": 1},
            "withheld": {"events": 0, "mails": 0, "people": 0, "outside": 0},
            "held": held,
        }
        self.service.set_account(user, waiting=len(events), mails=(held or {}).get("mails", 0))
        self.env["outlook.bridge.state"]._get()._store(self.service.do_status())

    def opened(self, user=None, of=None):
        action = (of or self.ann).with_user(user or self.ann).action_outlook_bridge_preview()
        self.assertEqual((action["res_model"], action["target"]), ("outlook.bridge.preview", "new"))
        return self.env[action["res_model"]].with_user(user or self.ann).browse(action["res_id"])

    def notices(self, user):
        return self.env["res.users"].with_user(user).outlook_bridge_notices()

    def answers(self, method="answer_preview"):
        return [call["kwargs"] for call in self.service.called("res.users", method)]

    def test_long_lists(self):
        """The list is limited, as opening the dialog creates a row for each entry."""
        self.tell(self.ann, self.meetings)
        told = self.service.previews[self.ann.id]
        told["events"] = [{**told["events"][0], "title": f"Event {number}"} for number in range(1500)]
        told["people"] = [{**told["people"][0], "email": f"{number}@fabrikam.test"} for number in range(1200)]
        wizard = self.opened()
        self.assertEqual((len(wizard.line_ids), wizard.more_lines), (500, 1000))
        self.assertEqual((len(wizard.person_ids), wizard.more_people), (500, 700))
        self.assertIn("Event 0", wizard.line_ids.mapped("title"), "those that the service names first are listed")

    def test_what_was_announced_stays(self):
        self.tell(self.ann, self.meetings)
        wizard = self.opened()
        wizard.write({"choice": "all", "numbers": {"all": {"mails": 10**6}}, "user_id": self.bob.id, "held_mails": 9})
        self.assertEqual((wizard.choice, wizard.user_id, wizard.held_mails), ("all", self.ann, 0))
        self.assertEqual(wizard.numbers["all"]["mails"], 4)

    def test_nothing_waits(self):
        self.tell(self.ann, self.meetings.browse())
        wizard = self.opened()
        self.assertFalse(wizard.open_count)
        self.assertFalse(wizard.line_ids)
        self.assertEqual(self.notices(self.ann), {"reason": False, "waiting": 0, "mails": 0, "progress": ""})

    def test_words_and_answers(self):
        self.tell(self.ann, self.meetings, past=1)
        self.assertEqual(self.notices(self.ann)["waiting"], 2)
        for choice, guests, words, answer in (
            ("leave", "withhold", "2 events stay in Odoo alone. Nobody", ("leave", False, 0)),
            ("future", "withhold", "gains one event.*Nobody is mailed now", ("future", False, 0)),
            ("future", "invite", "sends 2 invitations to 2 people, 1 of them outside", ("future", True, 2)),
            ("all", "invite", "gains 2 events.*sends 2 inv.*Over already.*mail: 1", ("all", True, 2)),
        ):
            wizard = self.opened()
            self.assertEqual((wizard.choice, wizard.guests), ("leave", "withhold"), "nobody is mailed by default")
            wizard.write({"choice": choice, "guests": guests})
            self.assertRegex(wizard.message, words)
            action = wizard.action_apply()
            self.assertEqual(action["params"]["next"]["type"], "ir.actions.act_window_close")
            kwargs = self.answers()[-1]
            self.assertEqual((kwargs["choice"], kwargs["invite"], kwargs["invitations"]), answer)
        self.assertEqual(self.notices(self.ann)["waiting"], 0, "the answer says so at once")

    def test_words_of_one(self):
        self.tell(self.ann, self.meetings[0])
        wizard = self.opened()
        self.assertEqual(wizard.message, "The event stays in Odoo alone. Nobody is mailed.")
        wizard.write({"choice": "all", "guests": "invite"})
        for mails, outside, words in (
            (1, 1, "gains one event. Outlook sends one invitation, to somebody outside"),
            (1, 0, "sends one invitation, inside your company"),
            (4, 1, "sends 4 invitations to one person outside"),
            (4, 0, "sends 4 invitations to one person inside"),
        ):
            counted = {"events": 1, "past": 0, "mails": mails, "people": 1, "outside": outside}
            wizard.sudo().numbers = {**wizard.numbers, "all": counted}
            self.assertIn(words, wizard.message)

    def test_lines(self):
        self.tell(self.ann, self.meetings, past=1)
        wizard = self.opened()
        self.assertEqual(wizard.line_ids.mapped("title"), ["Review", "Kick-off"])
        self.assertEqual(wizard.line_ids.mapped("over"), [False, True])
        self.assertEqual(wizard.line_ids[0].action_open_event()["res_id"], self.meetings[0].id)
        self.assertEqual(wizard.person_ids.mapped("email"), ["guest@fabrikam.test"])

    def test_several_hundred(self):
        self.tell(self.ann, self.meetings)
        [line, _other] = self.service.previews[self.ann.id]["events"]
        self.service.previews[self.ann.id]["events"] = [{**line, "title": f"Event {n}"} for n in range(400)]
        self.assertEqual(len(self.opened().line_ids), 400)

    def test_more_than_announced(self):
        self.tell(self.ann, self.meetings)
        wizard = self.opened()
        wizard.write({"choice": "all", "guests": "invite"})
        self.service.previews[self.ann.id]["all"]["mails"] = 40
        with self.assertRaisesRegex(UserError, "Nothing was sent"):
            wizard.action_apply()

    def test_held_mails(self):
        self.tell(
            self.ann,
            self.meetings.browse(),
            held={
                "mails": 30,
                "events": [{"res_id": self.meetings[0].id, "title": "X", "kind": "update", "mails": 30}],
            },
        )
        self.assertEqual(self.notices(self.ann)["mails"], 30)
        wizard = self.opened()
        other = self.opened()
        self.assertEqual((wizard.held_mails, wizard.held_ids.mapped("kind")), (30, ["update"]))
        wizard.action_send_held()
        self.assertEqual(self.answers("answer_mails"), [{"user_id": self.ann.id, "send": True, "mails": 30}])
        self.assertEqual(self.notices(self.ann)["mails"], 0)
        with self.assertRaisesRegex(MissingError, "No mails wait"):
            other.action_drop_held()

    def test_one_event(self):
        self.tell(self.ann, self.meetings)
        event = self.meetings[0]
        event.partner_ids |= self.guest
        self.assertTrue(event.with_user(self.ann).outlook_bridge_can_invite is not None)
        action = event.with_user(self.ann).action_outlook_bridge_invite()
        wizard = self.env[action["res_model"]].with_user(self.ann).browse(action["res_id"])
        self.assertEqual((wizard.choice, wizard.guests, len(wizard.line_ids)), ("all", "invite", 1))
        wizard.action_apply()
        self.assertEqual(self.answers()[-1]["res_id"], event.id)
        self.service.previews[self.ann.id]["events"] = []
        with self.assertRaisesRegex(UserError, "Outlook has sent it"):
            event.with_user(self.ann).action_outlook_bridge_invite()

    def test_one_series(self):
        """A series is named by its key, which is not part of Odoo's public API."""
        rule = {"recurrency": True, "rrule_type": "daily", "end_type": "count", "count": 2}
        event = self.event(name="Daily", start=self.tomorrow(9), **rule)
        self.tell(self.ann, self.meetings)
        with self.assertRaisesRegex(UserError, "Nobody waits"):
            event.with_user(self.ann).action_outlook_bridge_invite()
        [call] = self.service.called("res.users", "preview")
        self.assertEqual(call["kwargs"]["key"], event.recurrence_id.outlook_bridge_key)

    def test_only_oneself_and_admins(self):
        self.tell(self.ann, self.meetings)
        wizard = self.opened()
        self.assertTrue(self.opened(self.admin).line_ids, "an administrator sees it, too")
        self.service.calls.clear()
        for ask in (
            lambda: self.opened(self.bob, self.ann),
            wizard.with_user(self.bob).action_apply,
            wizard.with_user(self.bob).action_send_held,
            lambda: wizard.with_user(self.bob).read(["open_count"]),
            lambda: wizard.with_user(self.bob).write({"choice": "all"}),
            lambda: wizard.line_ids.with_user(self.bob).read(["title"]),
            lambda: wizard.person_ids.with_user(self.bob).read(["email"]),
        ):
            with self.assertRaises(AccessError):
                ask()
        self.assertFalse(self.service.calls)
        self.assertEqual(self.notices(self.bob)["waiting"], 0)
