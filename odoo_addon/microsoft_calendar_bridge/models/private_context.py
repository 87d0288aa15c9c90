# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""What this module tells itself by the context, where anybody who calls Odoo from outside may put what they like."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Private:
    """An object cannot be sent, so that one that is found was put there by this module."""

    value: object


def private(**values):
    """The values as context keys."""
    return {name: Private(value) for name, value in values.items()}


def private_value(env, name):
    """What this module has put there, or None."""
    found = env.context.get(name)
    return found.value if isinstance(found, Private) else None


def without_defaults(records, names):
    """The records in a context that gives fields of these names no default."""
    defaults = {f"default_{name}" for name in names}
    context = records.env.context
    if defaults.isdisjoint(context):
        return records
    kept = {name: value for name, value in context.items() if name not in defaults}
    return records.with_context(kept)  # pylint: disable=context-overridden


def without(records, names, vals):
    """The values without the fields of these names, but for the superuser, as whom this module writes them.

    Over RPC a field can be written however it is shown.
    """
    if records.env.su or vals.keys().isdisjoint(names):
        return vals
    return {name: value for name, value in vals.items() if name not in names}
