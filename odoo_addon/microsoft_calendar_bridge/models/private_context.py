# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""Context values that only this module can set, though callers from outside may send any context."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Private:
    """An object cannot be sent over RPC, so one that is found was put there by this module."""

    value: object


def private(**values):
    """Returns the values as context keys."""
    return {name: Private(value) for name, value in values.items()}


def private_value(env, name):
    """Returns the value that this module has put into the context, or None."""
    found = env.context.get(name)
    return found.value if isinstance(found, Private) else None
