# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import api, models

from .private_context import private, private_value

# Carried by what this module itself writes through Odoo's own methods.
OWN = "outlook_bridge_own"
PREFIX = "outlook_bridge_"
# What people may write of what this module adds.
OPEN = frozenset(("outlook_bridge_online_meeting",))
# Stock's links are a record's identity, too, where another engine syncs.
STOCK_LINKS = frozenset(("microsoft_id", "ms_universal_event_id", "microsoft_recurrence_master_id"))


def is_own(name):
    """Whether a field is this module's alone, as each of ours is that is not said to be people's."""
    return name in STOCK_LINKS or (name.startswith(PREFIX) and name not in OPEN)


def as_own(records):
    """The records in a context in which this module's own fields can be written."""
    return records.with_context(**private(**{OWN: True}))


def without_own(env, vals):
    """What may be written of these values by whoever writes them: asked by each model before anything else."""
    own = [name for name in vals if is_own(name)]
    if not own or private_value(env, OWN):
        return vals
    if STOCK_LINKS.issuperset(own) and not env["outlook.bridge.client"]._is_paired():
        return vals
    return {name: value for name, value in vals.items() if name not in own}


class OutlookBridgeOwn(models.AbstractModel):
    """Nobody but this module writes its own fields: over RPC a field can be written however it is shown, and a
    superuser may only pass on what somebody has sent."""

    _name = "outlook.bridge.own"
    _description = "Outlook Bridge Fields That Are Nobody Else's"

    @api.model
    def default_get(self, fields):
        """Neither the context nor a default that a user has stored gives a record an identity."""
        return super().default_get([name for name in fields if not is_own(name)])
