# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, fields, models
from odoo.tools import SQL

# How many characters of results one call carries.
TOLD_SIZE = 4_000_000


class OutlookBridgeResult(models.Model):
    """Results of the service's changes, written with them and kept until the service has received them."""

    _name = "outlook.bridge.result"
    _description = "Outlook Bridge Result"
    _order = "id"
    _rec_name = "change_id"

    # the service's number, which may outgrow an integer column
    change_id = fields.Char(required=True, readonly=True)
    payload = fields.Json(required=True, readonly=True)

    _change_unique = models.UniqueIndex("(change_id)")

    @api.model
    def _waiting(self, change_ids):
        """Returns those of these ids that already have a result."""
        results = self.sudo().search([("change_id", "in", [str(change_id) for change_id in change_ids])])
        return {result.payload["id"] for result in results}

    @api.model
    def _to_tell(self, limit):
        """Returns the oldest results that fit into one call, at least one: that of a series is long."""
        return self.browse(
            result_id
            for (result_id,) in self.env.execute_query(
                SQL(
                    """
                    SELECT id FROM (
                        SELECT id, sum(length(payload::text)) OVER (ORDER BY id) - length(payload::text) AS before
                          FROM outlook_bridge_result ORDER BY id LIMIT %s
                    ) result WHERE before < %s ORDER BY id
                    """,
                    limit,
                    TOLD_SIZE,
                )
            )
        )

    @api.model
    def _record(self, acks):
        self.sudo().create([{"change_id": str(ack["id"]), "payload": ack} for ack in acks])
