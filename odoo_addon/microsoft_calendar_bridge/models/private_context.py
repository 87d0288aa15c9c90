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
