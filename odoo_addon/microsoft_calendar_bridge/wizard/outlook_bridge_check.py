# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import requests

from odoo import api, fields, models
from odoo.exceptions import AccessDenied, AccessError, MissingError, UserError
from odoo.tools import SQL

from ..models.actions import form
from ..models.outlook_bridge_client import BridgeUnavailable
from .outlook_bridge_check_line import STATUSES

MODULE = "microsoft_calendar_bridge"
# (connect, read) in seconds. The service needs less than the second.
PATIENCE = (2, 20)
# What is bad comes first.
ORDER = ("problem", "warning", "skipped", "ok")


class OutlookBridgeCheck(models.TransientModel):
    """What the service finds when it checks the set-up. It decides what is well; this only shows it."""

    _name = "outlook.bridge.check"
    _description = "Outlook Check"
    _rec_name = "summary"

    status = fields.Selection(STATUSES, required=True, readonly=True, default="problem")
    summary = fields.Char(readonly=True)
    line_ids = fields.One2many("outlook.bridge.check.line", "check_id", readonly=True)

    @api.model
    def _open(self):
        """Lets the service check the set-up, and opens the results."""
        if not self.env.is_system():
            raise AccessError(self.env._("Only an administrator can check the set-up."))
        client = self.env["outlook.bridge.client"]
        if not client._is_paired():
            raise UserError(self.env._("Odoo is not paired with an Outlook bridge."))
        try:
            report = client._call("outlook.bridge", "check", timeout=PATIENCE, facts=self._facts())
        except BridgeUnavailable as error:
            report = self._unavailable(error)
        except (AccessDenied, MissingError, UserError) as error:
            report = self._refused(str(error.args[0]))
        return form(self._fill(report), self.env._("Check of Outlook Calendar"))

    def action_check_again(self):
        return self._open()

    @api.model
    def _fill(self, report):
        known = dict(STATUSES)
        lines = [
            {
                "status": line.get("status") if line.get("status") in known else "warning",
                "title": line.get("title") or line.get("check") or False,
                "words": self._words(line),
                "code": line.get("code") or False,
            }
            for line in report.get("checks") or []
        ]
        # the order of the service says what bites first
        lines.sort(key=lambda line: ORDER.index(line["status"]))
        status = report.get("status") if report.get("status") in known else "warning"
        return self.sudo().create(
            {
                "status": status,
                "summary": self._summary(lines),
                "line_ids": [(0, 0, {**line, "sequence": number}) for number, line in enumerate(lines)],
            }
        )

    @api.model
    def _words(self, line):
        words = [line.get("found") or ""]
        if line.get("meaning"):
            words.append(line["meaning"])
        if line.get("remedy"):
            words.append(self.env._("What to do: %(remedy)s", remedy=line["remedy"]))
        return "\n".join(filter(None, words))

    @api.model
    def _summary(self, lines):
        statuses = [line["status"] for line in lines]
        problems, warnings = statuses.count("problem"), statuses.count("warning")
        if not lines:
            return self.env._("The bridge answered, but found nothing to check.")
        if not (problems or warnings):
            return self.env._("All is well.")
        return self.env._("%(problems)s problem(s), %(warnings)s warning(s).", problems=problems, warnings=warnings)

    # ------------------------------------------------------------
    # What only Odoo knows
    # ------------------------------------------------------------

    @api.model
    def _facts(self):
        """Returns how this database is set up (docs/EXCHANGE.md of the service, *The poke*)."""
        params = self.env["ir.config_parameter"].sudo()
        module = self.env["ir.module.module"].sudo().search([("name", "=", MODULE)], limit=1)
        return {
            "uuid": params.get_param("database.uuid"),
            "database": self.env.cr.dbname,
            "base_url": params.get_param("web.base.url") or None,
            # whatever its text is, as Odoo reads it
            "frozen": bool(params.get_param("web.base.url.freeze")),
            "addon": module.installed_version or None,
            "installed": module.latest_version or None,
            "job": self._facts_of_job(),
        }

    @api.model
    def _facts_of_job(self):
        job = self.env["outlook.bridge.exchange"]._job().exists()
        now = fields.Datetime.now()
        if not job:
            return {"exists": False, "active": False, "now": fields.Datetime.to_string(now)}
        [(waiting_since,)] = self.env.execute_query(
            SQL("SELECT min(call_at) FROM ir_cron_trigger WHERE cron_id = %s AND call_at <= %s", job.id, now)
        )
        late_until = self.env["outlook.bridge.state"]._get().jobs_late_until
        return {
            "exists": True,
            "active": job.active,
            "next": fields.Datetime.to_string(job.nextcall) or None,
            "waiting_since": fields.Datetime.to_string(waiting_since) or None,
            "failures": job.failure_count,
            "late": bool(late_until and late_until > now),
            "now": fields.Datetime.to_string(now),
        }

    # ------------------------------------------------------------
    # When the service cannot say anything
    # ------------------------------------------------------------

    @api.model
    def _report(self, code, title, found, remedy):
        line = {"code": code, "status": "problem", "title": title, "found": found, "remedy": remedy}
        return {"status": "problem", "checks": [line]}

    @api.model
    def _refused(self, message):
        return self._report(
            "bridge_refuses",
            self.env._("Outlook bridge"),
            self.env._("The bridge answers, but refuses the call: %(message)s", message=message),
            self.env._(
                "If it names the key or the database, pair this database again. If it does not know the call, ask "
                "whoever runs the bridge to upgrade it."
            ),
        )

    @api.model
    def _unavailable(self, error):
        """Says why the service was not reached, as far as this side can tell."""
        cause = error.__cause__
        url = self.env["outlook.bridge.client"]._get_url()
        title = self.env._("Outlook bridge")
        found = self.env._("The bridge does not answer at %(url)s.", url=url)
        if isinstance(cause, requests.exceptions.SSLError):
            return self._report(
                "bridge_tls",
                title,
                self.env._("The certificate at %(url)s is not trusted: %(reason)s", url=url, reason=str(cause)[:200]),
                self.env._(
                    "Use the name that the certificate was made for, and a certificate that Odoo trusts. For an "
                    "authority of your own, set REQUESTS_CA_BUNDLE in the environment of Odoo."
                ),
            )
        if isinstance(cause, requests.exceptions.Timeout):
            return self._report(
                "bridge_silent",
                title,
                found,
                self.env._(
                    "Check the address and the port, and that no firewall between Odoo and the bridge drops the "
                    "connection. If the bridge is only busy, try again in a minute."
                ),
            )
        if isinstance(cause, requests.exceptions.RequestException):
            return self._report(
                "bridge_unreachable",
                title,
                found,
                self.env._(
                    "Check that the service outlook-bridge runs, that the Odoo server knows the host's name, and that "
                    "the port is right: the bridge prints its address when it starts. On another machine, its setting "
                    "listen must not be 127.0.0.1."
                ),
            )
        if cause is not None:
            return self._report(
                "bridge_is_another",
                title,
                self.env._("Something else than the bridge answers at %(url)s.", url=url),
                self.env._(
                    "Check the address and the port. A proxy before the bridge must pass /jsonrpc and /json/2 on to "
                    "it, without a login."
                ),
            )
        return self._report("bridge_unused", title, str(error.args[0]), False)
