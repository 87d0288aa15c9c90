# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import uuid

from odoo import api, fields, models


class OutlookBridgeFence(models.Model):
    """The row that every exchange writes. It is separate from what people's buttons write, so that
    neither fails because of the other.

    By the nonces, the service distinguishes this database from a copy or a restored backup of it.
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
        """Begins after a pairing with the nonce that the service expects first."""
        self.write({"nonce": nonce, "next_nonce": False, "calls": 0, "last_contact": fields.Datetime.now()})

    def _prepare(self):
        """Returns the nonces and the number of this call.

        The nonces stay the same until an answer to them was received. By the number, the service
        distinguishes the last call from an earlier one that is still on its way.
        """
        self.write({"calls": self.calls + 1, "next_nonce": self.next_nonce or uuid.uuid4().hex})
        return self.nonce or None, self.next_nonce, self.calls

    def _heard(self, accepted):
        """Notes that the service has answered, and whether it accepted the nonces."""
        vals = {"last_contact": fields.Datetime.now()}
        if accepted:
            vals.update(nonce=self.next_nonce, next_nonce=False)
        self.write(vals)

    def _forget(self):
        self.write({"nonce": False, "next_nonce": False, "last_contact": False})
