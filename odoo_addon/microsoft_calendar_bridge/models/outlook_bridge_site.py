# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from urllib.parse import urlsplit

from odoo import api, fields, models

from ..compat import UNASKED

PREFIX = "microsoft_calendar.sync."
PARAM_RANGE = f"{PREFIX}range_days"
PARAM_LOWER_BOUND = f"{PREFIX}lower_bound_range"
PARAM_FIRST_DATE = f"{PREFIX}first_synchronization_date"
PARAM_ENDPOINTS = ("microsoft_account.auth_endpoint", "microsoft_account.token_endpoint")
LOGIN_HOST = "login.microsoftonline.com"
# These mean any tenant, so there is nothing to carry over.
ANY_TENANT = ("common", "")
# The longest range of days for which a mailbox can be listed.
LONGEST_BACK = 800
LONGEST_AHEAD = 1000
LIMITS = ("days_back", "days_ahead", "sent_back", "created_from")


class OutlookBridgeSite(models.AbstractModel):
    """A site's settings of the built-in sync, in the service's terms. They are read, never written."""

    _name = "outlook.bridge.site"
    _description = "Outlook Bridge Settings of Odoo's Own Synchronization"

    @api.model
    def _read(self):
        """``(values, left)``: what the service takes over, and sentences about what it does not."""
        values, left = dict.fromkeys(("days_back", "days_ahead", "sent_back"), 0), []
        self._read_range(values, left)
        self._read_lower_bound(values, left)
        self._read_first_date(values, left)
        self._read_tenant(values, left)
        self._read_strangers(left)
        return values, left

    @api.model
    def _param(self, name):
        return (self.env["ir.config_parameter"].sudo().get_param(name) or "").strip()

    @api.model
    def _unreadable(self, name):
        return self.env._(
            "The parameter %(name)s is “%(value)s”, which cannot be read.", name=name, value=self._param(name)
        )

    @api.model
    def _read_range(self, values, left):
        text = self._param(PARAM_RANGE)
        if not text:
            return
        if not text.isdecimal() or not int(text):
            left.append(self._unreadable(PARAM_RANGE))
            return
        # the built-in sync reads twice as far ahead
        back, ahead = int(text), 2 * int(text)
        values.update(days_back=min(back, LONGEST_BACK), days_ahead=min(ahead, LONGEST_AHEAD))
        if back > LONGEST_BACK or ahead > LONGEST_AHEAD:
            left.append(
                self.env._(
                    "Events were exchanged %(back)s days back and %(ahead)s days ahead (%(name)s). The bridge reads "
                    "at most %(most_back)s days back and %(most_ahead)s days ahead.",
                    back=back,
                    ahead=ahead,
                    name=PARAM_RANGE,
                    most_back=LONGEST_BACK,
                    most_ahead=LONGEST_AHEAD,
                )
            )

    @api.model
    def _read_lower_bound(self, values, left):
        text = self._param(PARAM_LOWER_BOUND)
        if text.isdecimal():
            # for the service 0 means no limit, for the built-in sync the strictest one
            values["sent_back"] = max(int(text), 1)
        elif text:
            left.append(self._unreadable(PARAM_LOWER_BOUND))

    @api.model
    def _read_first_date(self, values, left):
        values["created_from"] = False
        text = self._param(PARAM_FIRST_DATE)
        if not text:
            return
        try:
            # the built-in sync stores fractions of a second
            values["created_from"] = fields.Datetime.to_datetime(text.partition(".")[0])
        except ValueError:
            left.append(self._unreadable(PARAM_FIRST_DATE))

    @api.model
    def _read_tenant(self, values, left):
        tenants = set()
        values["tenant"] = False
        for name in PARAM_ENDPOINTS:
            text = self._param(name)
            if not text:
                continue
            try:
                address = urlsplit(text)
            except ValueError:
                left.append(self._unreadable(name))
                continue
            if address.hostname != LOGIN_HOST:
                left.append(
                    self.env._(
                        "Users log in at %(address)s (%(name)s). The bridge uses the address in its own "
                        "configuration, login_url, for all databases.",
                        address=text,
                        name=name,
                    )
                )
            tenants.add(address.path.strip("/").partition("/")[0])
        tenants.difference_update(ANY_TENANT)
        if len(tenants) == 1:
            values["tenant"] = tenants.pop()
        elif tenants:
            left.append(
                self.env._(
                    "The login addresses name several tenants: %(tenants)s. Enter the right one as Tenant ID.",
                    tenants=", ".join(sorted(tenants)),
                )
            )

    @api.model
    def _read_strangers(self, left):
        known = (PARAM_RANGE, PARAM_LOWER_BOUND, PARAM_FIRST_DATE)
        params = self.env["ir.config_parameter"].sudo().search([("key", "=like", f"{PREFIX}%")], order="key")
        for param in params:
            if param.key not in known:
                left.append(self.env._("The parameter %(name)s means nothing to the bridge.", name=param.key))
        rule = self.env["outlook.bridge.rule"]
        changed = {}
        for method in UNASKED:
            for model in ("calendar.event", "calendar.recurrence"):
                for module in rule._overriding(model, method):
                    changed.setdefault(module, set()).add(method)
        for module, methods in sorted(changed.items()):
            left.append(
                self.env._(
                    "The add-on “%(module)s” changes how Odoo's own synchronization works (%(methods)s). The bridge "
                    "does not ask it.",
                    module=module,
                    methods=", ".join(sorted(methods)),
                )
            )

    # ------------------------------------------------------------
    # Descriptions
    # ------------------------------------------------------------

    @api.model
    def _describe(self):
        """``(what is taken over, what is not)``, one sentence per line."""
        values, left = self._read()
        lines = []
        if values["days_back"]:
            lines.append(
                self.env._(
                    "Events are exchanged %(back)s days back and %(ahead)s days ahead.",
                    back=values["days_back"],
                    ahead=values["days_ahead"],
                )
            )
        if values["sent_back"]:
            lines.append(
                self.env._("What ended more than %(days)s days ago is not sent to Outlook.", days=values["sent_back"])
            )
        if values["created_from"]:
            lines.append(
                self.env._(
                    "What was created in Odoo before %(time)s UTC is not made in Outlook.",
                    time=fields.Datetime.to_string(values["created_from"]),
                )
            )
        if values["tenant"]:
            lines.append(self.env._("Users log in with the app of the tenant %(tenant)s.", tenant=values["tenant"]))
        if modules := self.env["outlook.bridge.rule"]._modules():
            lines.append(
                self.env._(
                    "The rule of %(modules)s about which events go to Outlook stays in force.",
                    modules=", ".join(modules),
                )
            )
        return "\n".join(lines), "\n".join(left)
