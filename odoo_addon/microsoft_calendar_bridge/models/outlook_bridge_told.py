# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import time
from typing import NamedTuple

from markupsafe import Markup

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import str2bool

_logger = logging.getLogger(__name__)

PARAM_MAILS = "microsoft_calendar_bridge.mail_troubles"
TOLD_MODELS = ("outlook.bridge.state", "outlook.bridge.account")
# How long the job tells people in one run. The rest is told by the next run.
TELL_SECONDS = 10
# Each of them is told of each mailbox that waits for an administrator.
MOST_ADMINISTRATORS = 20


class Trouble(NamedTuple):
    """What is wrong, in words, and who is told."""

    summary: str
    sentences: list
    users: models.BaseModel | tuple = ()

    @property
    def note(self):
        return Markup().join(Markup("<p>%s</p>") % sentence for sentence in self.sentences if sentence)


class OutlookBridgeTold(models.AbstractModel):
    """Tells people what is wrong, each person once for each trouble, as an activity that goes away
    with the trouble.

    The job does this, after the exchange and in transactions of its own: an exchange does not wait
    for the mails of a thousand users whose login has lapsed, and does not fail because of them.
    """

    _name = "outlook.bridge.told"
    # Odoo lets activities be assigned only where messages can be posted
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _description = "Outlook Bridge Troubles That People Are Told Of"

    told_to = fields.Json(
        readonly=True,
        groups="base.group_system",
        help="The activity of each person for each trouble, also once it is done.",
    )

    def _troubles(self):
        """``{name: Trouble}`` of what is wrong now, in the language of the context. The part of a name
        before a colon is that of its type of activity."""
        return {}

    @api.model_create_multi
    def create(self, vals_list):
        # nobody follows what only the service writes
        records = super(OutlookBridgeTold, self.with_context(tracking_disable=True)).create(vals_list)
        return records.with_env(self.env)

    def write(self, vals):
        return super(OutlookBridgeTold, self.with_context(tracking_disable=True)).write(vals)

    @api.model
    def _administrators(self):
        users = self.env.ref("base.group_system").sudo().all_user_ids
        return users.filtered(lambda user: user.active and not user.share and user.id != SUPERUSER_ID).sorted("id")[
            :MOST_ADMINISTRATORS
        ]

    @api.model
    def _tell_all(self):
        """Tells people what is new, in own transactions. Never raises, as Odoo ends a job that fails
        often."""
        try:
            with self.env["outlook.bridge.exchange"]._own_cursor() as cr:
                exchange = api.Environment(cr, SUPERUSER_ID, {})["outlook.bridge.exchange"]
                exchange.env[self._name]._tell_some(exchange)
        except Exception:
            _logger.exception("Nobody was told what is wrong. The job tries again")
        self.env.invalidate_all()

    @api.model
    def _tell_some(self, exchange):
        until = time.monotonic() + TELL_SECONDS
        untold = self.env["outlook.bridge.account"].search([("is_untold", "=", True)])
        for record in (self.env["outlook.bridge.state"]._get(), *untold):
            if time.monotonic() >= until:
                break
            try:
                exchange._committing(record._tell)
            except Exception:
                # others are told all the same
                _logger.exception("Nobody was told what is wrong with %s. The job tries again", record)

    def _tell(self):
        """Makes and ends activities, so that each person has been told of what is wrong now.

        Whoever has ended an activity is told again only when the trouble went away and came back.
        """
        self.ensure_one()
        told, troubles = self.told_to or {}, self._troubles()
        wanted = {
            name: {str(user.id): told.get(name, {}).get(str(user.id)) for user in trouble.users}
            for name, trouble in troubles.items()
        }
        over = {
            activity
            for name, people in told.items()
            for user, activity in people.items()
            if user not in wanted.get(name, {})
        }
        known = {activity for people in wanted.values() for activity in people.values()}
        present = self.env["mail.activity"].search([("id", "in", [*filter(None, over | known)])])
        present.filtered(lambda activity: activity.id in over).unlink()
        in_language = {}
        for name, people in wanted.items():
            for user, activity in people.items():
                person = self.env["res.users"].browse(int(user))
                if person.lang not in in_language:
                    in_language[person.lang] = self.with_context(lang=person.lang)._troubles()
                trouble = in_language[person.lang][name]
                if not activity:
                    people[user] = self._tell_person(person, name, trouble)
                elif activity in present._ids:
                    self._reword(present.browse(activity), trouble)
        if wanted != told:
            self.told_to = wanted

    def _tell_person(self, person, name, trouble):
        """Returns the id of the new activity."""
        by_mail = str2bool(self.env["ir.config_parameter"].sudo().get_param(PARAM_MAILS) or "", default=False)
        told = self.with_context(
            lang=person.lang,
            tz=person.tz,
            # Odoo mails whoever is assigned, unless it is told not to
            mail_activity_quick_update=not by_mail,
            # the queue of mails sends it: nothing here waits for a mail server
            mail_notify_force_send=False,
        )
        kind = name.partition(":")[0]
        return told.activity_schedule(
            f"microsoft_calendar_bridge.activity_{kind}",
            user_id=person.id,
            summary=trouble.summary,
            note=trouble.note,
        ).id

    @api.model
    def _reword(self, activity, trouble):
        """Says what is wrong now, which is not told again."""
        words = {"summary": trouble.summary, "note": trouble.note}
        # a note is stored as the field cleans it
        stored = {name: activity._fields[name].convert_to_cache(value, activity) for name, value in words.items()}
        if changed := {name: words[name] for name, value in stored.items() if (activity[name] or "") != (value or "")}:
            activity.write(changed)

    @api.model
    def _untell_all(self):
        """Removes everything that anybody was told."""
        models = [("model", "in", TOLD_MODELS)]
        activities = self.env["mail.activity"].sudo().with_context(active_test=False)
        activities.search([("res_model", "in", TOLD_MODELS)]).unlink()
        self.env["mail.message"].sudo().search(models).unlink()
        self.env["mail.followers"].sudo().search([("res_model", "in", TOLD_MODELS)]).unlink()
