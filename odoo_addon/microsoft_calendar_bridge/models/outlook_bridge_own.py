# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from .private_context import private, private_value

# Set in the context while this module itself writes through Odoo's own methods.
OWN = "outlook_bridge_own"
PREFIX = "outlook_bridge_"
# The fields of this module that users may write.
OPEN = frozenset(("outlook_bridge_online_meeting",))
# The links of the built-in sync identify a record, too.
STOCK_LINKS = frozenset(("microsoft_id", "ms_universal_event_id", "microsoft_recurrence_master_id"))


def is_own(name):
    """Whether only this module may write a field: all of its fields, except those opened for users."""
    return name in STOCK_LINKS or (name.startswith(PREFIX) and name not in OPEN)


def as_own(records):
    """The records in a context in which this module's own fields can be written."""
    return records.with_context(**private(**{OWN: True}))


def without_own(env, vals):
    """Returns the values that the writer may write. Each model calls this before anything else."""
    own = [name for name in vals if is_own(name)]
    if not own or private_value(env, OWN):
        return vals
    if STOCK_LINKS.issuperset(own) and not env["outlook.bridge.client"]._is_paired():
        return vals
    return {name: value for name, value in vals.items() if name not in own}


class OutlookBridgeOwn(models.AbstractModel):
    """Keeps everybody but this module from writing its own fields. Over RPC, hidden fields can be
    written, and a superuser may only be passing on what somebody has sent."""

    _name = "outlook.bridge.own"
    _description = "Outlook Bridge Fields That Are Nobody Else's"

    @api.model
    def default_get(self, fields):
        """Neither the context nor a user's stored default can give a record an identity."""
        return super().default_get([name for name in fields if not is_own(name)])
