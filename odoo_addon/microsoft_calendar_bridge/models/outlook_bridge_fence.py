# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid

from odoo import api, fields, models


class OutlookBridgeFence(models.Model):
    """One row that every exchange writes, apart from what people's buttons write: neither fails because of the other.

    The nonces are how the service tells this database from a copy or a restored backup of it.
    """

    _name = "outlook.bridge.fence"
    _description = "Outlook Bridge Fence"
    _rec_name = "last_contact"

    nonce = fields.Char(readonly=True, groups="base.group_system")
    next_nonce = fields.Char(readonly=True, groups="base.group_system")
    calls = fields.Integer(readonly=True, help="How many calls were made since the pairing, repeated ones, too.")
    last_contact = fields.Datetime(readonly=True, help="When the service answered an exchange last.")

    @api.model
    def _get(self):
        return self.sudo().search([], limit=1, order="id") or self.sudo().create({})

    def _begin(self, nonce):
        """After pairing: what the service expects to be told first."""
        self.write({"nonce": nonce, "next_nonce": False, "calls": 0, "last_contact": fields.Datetime.now()})

    def _prepare(self):
        """The pair to send: the very same again as long as no answer to it was seen. And the number of this call, by
        which the service tells the last one from an earlier one that is still on its way."""
        self.write({"calls": self.calls + 1, "next_nonce": self.next_nonce or uuid.uuid4().hex})
        return self.nonce or None, self.next_nonce, self.calls

    def _heard(self, accepted):
        """The service has answered; whether it took the pair for that of the database it knows."""
        vals = {"last_contact": fields.Datetime.now()}
        if accepted:
            vals.update(nonce=self.next_nonce, next_nonce=False)
        self.write(vals)

    def _forget(self):
        self.write({"nonce": False, "next_nonce": False, "last_contact": False})
