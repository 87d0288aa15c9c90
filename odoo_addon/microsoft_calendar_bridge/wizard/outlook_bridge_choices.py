# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_date, format_datetime

from ..models.actions import CLOSE, form, notification
from ..models.outlook_bridge_sentence import render

# The fields whose values the service knows by the same names.
PLAIN = ("direction", "private", "without_free", "only_accepted", "without_reminders", "without_calendars")
# Lists of words, of which a person writes one on each line.
LISTS = ("without_categories", "without_titles")
CHOICES = frozenset((*PLAIN, *LISTS, "from_date", "calendar_ids"))


class OutlookBridgeChoices(models.TransientModel):
    """What a user wants to sync, or the least that an administrator keeps out for everybody."""

    _name = "outlook.bridge.choices"
    _description = "What Outlook and Odoo Synchronize"
    _rec_name = "user_id"

    user_id = fields.Many2one("res.users", readonly=True, ondelete="cascade", help="Empty: for everybody.")
    direction = fields.Selection(
        [
            ("both", "Both ways"),
            ("to_odoo", "Only from Outlook to Odoo"),
            ("to_outlook", "Only from Odoo to Outlook"),
        ],
        required=True,
        default="both",
    )
    private = fields.Selection(
        [
            ("as_it_is", "As they are"),
            ("busy", "Only their time, as “Busy”"),
            ("not_at_all", "Not at all"),
        ],
        "Private Events",
        required=True,
        default="as_it_is",
    )
    without_free = fields.Boolean("Leave out events shown as free")
    only_accepted = fields.Boolean("Leave out invitations until they are accepted")
    without_reminders = fields.Boolean("Leave out reminders")
    without_calendars = fields.Boolean("Do not offer further calendars")
    calendar_ids = fields.Many2many(
        "outlook.bridge.choices.calendar",
        "outlook_bridge_choices_calendar_rel",
        "choices_id",
        "calendar_id",
        string="Further calendars",
        domain="[('choices_id', '=', id)]",
        help="Their events come to Odoo and follow Outlook. Nothing goes back to them.",
    )
    has_calendars = fields.Boolean(readonly=True)
    calendars_note = fields.Text(readonly=True)
    kept_calendars = fields.Json(readonly=True, help="What was chosen before, where no calendars are offered.")
    without_categories = fields.Text("Leave out Outlook categories and Odoo tags")
    without_titles = fields.Text("Leave out titles with")
    from_date = fields.Date("Only from a date on")
    bound = fields.Json(readonly=True)
    bound_note = fields.Text("Left out for everybody", compute="_compute_bound_note")
    previewed = fields.Json(readonly=True, help="The choices that the preview is about.")
    preview = fields.Json(readonly=True)
    is_previewed = fields.Boolean(compute="_compute_is_previewed")
    nothing_crosses = fields.Boolean(compute="_compute_preview")
    summary = fields.Text(compute="_compute_preview")
    stays = fields.Text("No longer synced, or one way only", compute="_compute_preview")
    masked = fields.Text("Only their time from now on", compute="_compute_preview")
    crosses = fields.Text("Synced from now on", compute="_compute_preview")

    def write(self, vals):
        """Only the choices can be changed: whose they are is fixed, and a preview is the service's."""
        if not self.env.su:
            vals = {name: value for name, value in vals.items() if name in CHOICES}
        return super().write(vals)

    # ------------------------------------------------------------
    # Opening
    # ------------------------------------------------------------

    @api.model
    def _check_may(self, user):
        if user != self.env.user and not self.env.is_system():
            raise AccessError(self.env._("Only an administrator chooses for others what is synchronized."))
        if user.share:
            raise AccessError(self.env._("Only internal users can synchronize their calendar with Outlook."))

    @api.model
    def _open(self, user):
        """Opens the choices of a user, or with none, those that hold for everybody."""
        self._check_may(user)
        client = self.env["outlook.bridge.client"]
        told = client._call("outlook.bridge.choices", "get", user_id=user.id or None)
        own = told["own"]
        wizard = self.sudo().create(
            {
                "user_id": user.id,
                "bound": told["bound"],
                **{name: own[name] for name in PLAIN},
                **{name: "\n".join(own[name]) for name in LISTS},
                "from_date": own["from"],
                "kept_calendars": own["calendars"] or False,
            }
        )
        if user:
            wizard._list_calendars(client._call("outlook.bridge.choices", "calendars", user_id=user.id))
        return wizard.sudo(False)._show()

    def _list_calendars(self, told):
        """Offers the further calendars of a mailbox."""
        lines = self.env["outlook.bridge.choices.calendar"].create(
            [
                {
                    "choices_id": self.id,
                    "name": one["name"],
                    "calendar": one["id"],
                    "problem": self._said(one["problem"]),
                }
                for one in told["calendars"]
            ]
        )
        kept = self.kept_calendars or []
        chosen = lines.filtered(lambda line: line.calendar in kept)
        notes = [render(self.env, told["problem"], None)]
        if told["offered"] and not lines:
            notes.append(self.env._("Outlook has no further calendars."))
        self.write(
            {
                "calendar_ids": [fields.Command.set(chosen.ids)],
                "has_calendars": bool(lines),
                "calendars_note": "\n".join(note for note in notes if note) or False,
            }
        )

    @api.model
    def _said(self, told):
        return told and render(self.env, told.get("words"), told["message"])

    def _show(self):
        if self.user_id:
            name = self.env._("What Is Synced: %(name)s", name=self.user_id.name)
        else:
            name = self.env._("What Is Synced for Everybody")
        return form(self, name)

    # ------------------------------------------------------------
    # Words
    # ------------------------------------------------------------

    @api.depends("bound")
    def _compute_bound_note(self):
        for wizard in self:
            wizard.bound_note = "\n".join(self._describe(wizard.bound or {}))

    @api.model
    def _describe(self, choices):
        """One sentence for each choice that leaves something out."""
        described = self.fields_get([*PLAIN, *LISTS, "from_date"], ["string", "selection"])
        lines = []
        for name in PLAIN:
            value, field = choices.get(name), described[name]
            if value is True:
                lines.append(field["string"])
            elif value and value not in ("both", "as_it_is"):
                lines.append(f"{field['string']}: {dict(field['selection']).get(value, value)}")
        for name in LISTS:
            if choices.get(name):
                lines.append(f"{described[name]['string']}: {', '.join(choices[name])}")
        if choices.get("from"):
            lines.append(f"{described['from_date']['string']}: {format_date(self.env, choices['from'])}")
        return lines

    @api.depends(*PLAIN, *LISTS, "from_date", "calendar_ids", "previewed")
    def _compute_is_previewed(self):
        for wizard in self:
            wizard.is_previewed = bool(wizard.previewed) and wizard.previewed == wizard._choices()

    @api.depends("preview")
    def _compute_preview(self):
        for wizard in self:
            told = wizard.preview or {}
            wizard.nothing_crosses = bool(told.get("nothing_crosses"))
            for name in ("stays", "masked", "crosses"):
                wizard[name] = self._list(told.get(name) or {})
            wizard.summary = wizard._summarize(told)

    def _summarize(self, told):
        if not told:
            return False
        summary = self._summarize_events(told)
        kept = self.kept_calendars or []
        new = self.calendar_ids.filtered(lambda line: line.calendar not in kept)
        if new:
            names = ", ".join(new.mapped("name"))
            told_later = self.env._("The events of %(names)s come to Odoo once they have been read.", names=names)
            summary = f"{summary} {told_later}"
        return summary

    @api.model
    def _summarize_events(self, told):
        if told["more"]:
            looked_at = self.env._("The latest %(count)s events were looked at.", count=told["looked_at"])
        else:
            looked_at = self.env._("Events looked at: %(count)s.", count=told["looked_at"])
        if any(told[name]["count"] for name in ("stays", "masked", "crosses")):
            return looked_at
        return f"{looked_at} {self.env._('Nothing changes for any of them.')}"

    @api.model
    def _list(self, named):
        """One line for each event, and how many are not named."""
        lines = [self._line(event) for event in named.get("events", ())]
        more = named.get("count", 0) - len(lines)
        if more > 0:
            lines.append(self.env._("and %(count)s more", count=more))
        return "\n".join(lines)

    @api.model
    def _line(self, event):
        start = format_datetime(self.env, event["start"], dt_format="short")
        why = render(self.env, event["why"], None)
        return f"{start} {event['title']}" + (f" ({why})" if why else "")

    # ------------------------------------------------------------
    # Buttons
    # ------------------------------------------------------------

    def _choices(self):
        """The choices as the service takes them."""
        self.ensure_one()

        def words(text):
            return sorted({line.strip() for line in (text or "").splitlines() if line.strip()})

        return {
            **{name: self[name] for name in PLAIN},
            **{name: words(self[name]) for name in LISTS},
            "from": fields.Date.to_string(self.from_date) if self.from_date else None,
            "busy_title": self._busy_title(),
            "calendars": self._chosen_calendars(),
        }

    def _chosen_calendars(self):
        """The ids of the chosen calendars. Where none is offered, a user's choice is kept."""
        if not self.has_calendars:
            return (self.kept_calendars or []) if self.user_id else []
        # without another one's, should anybody have written those
        lines = self.sudo().calendar_ids.filtered(lambda line: line.choices_id._origin == self._origin)
        return sorted(lines.mapped("calendar"))

    def _busy_title(self):
        """The title of what stands for a private event, in the language of whose calendar it is."""
        wizard = self.with_context(lang=self.user_id.lang or self.env.lang)
        return wizard.env._("Busy")

    def _check_own(self):
        self.ensure_one()
        if self.create_uid != self.env.user:
            raise AccessError(self.env._("Somebody else has opened this."))
        self._check_may(self.user_id)

    def action_preview(self):
        self._check_own()
        choices = self._choices()
        told = self.env["outlook.bridge.client"]._call(
            "outlook.bridge.choices", "preview", user_id=self.user_id.id or None, choices=choices
        )
        self.sudo().write({"previewed": choices, "preview": told})
        return self._show()

    def action_apply(self):
        self._check_own()
        choices = self._choices()
        if self.previewed != choices:
            raise UserError(self.env._("This was changed after the preview: look at the preview again."))
        self.env["outlook.bridge.client"]._call(
            "outlook.bridge.choices", "set", user_id=self.user_id.id or None, choices=choices
        )
        words = self.env._("The calendars are compared again in the background. You can leave this page.")
        return notification(words, then=CLOSE)
