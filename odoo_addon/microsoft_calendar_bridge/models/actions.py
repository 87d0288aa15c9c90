# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Actions that a button returns to the web client."""

CLOSE = {"type": "ir.actions.act_window_close"}
RELOAD = {"type": "ir.actions.client", "tag": "soft_reload"}


def notification(message, *, kind="success", sticky=False, then=None):
    """Shows a notification, and then runs the action ``then``."""
    params = {"type": kind, "message": message, "sticky": sticky}
    if then:
        params["next"] = then
    return {"type": "ir.actions.client", "tag": "display_notification", "params": params}


def form(record, name=None):
    """Opens a record; in a dialog if a name is given."""
    action = {
        "type": "ir.actions.act_window",
        "res_model": record._name,
        "res_id": record.id,
        "views": [(False, "form")],
    }
    return {**action, "name": name, "target": "new"} if name else action
