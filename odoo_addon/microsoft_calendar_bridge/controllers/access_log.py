# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re

# {part of an address: what follows the secret's name}
SECRETS = {
    # also where the address is part of another one, as after a login
    "microsoft_account": re.compile(r"(\bcode(?:=|%3D))(?:(?!&|%26|\s).)+", re.IGNORECASE),
    "microsoft_calendar_bridge/changes/": re.compile(r"(microsoft_calendar_bridge/changes/)[^\s?]+"),
}


class WithoutSecrets(logging.Filter):
    """Removes Microsoft's sign-in code and the secret of change notifications from the addresses of
    requests, which Odoo writes to its log."""

    def filter(self, record):
        if isinstance(record.args, tuple):
            record.args = tuple(self._clean(value) for value in record.args)
        return True

    @staticmethod
    def _clean(value):
        if isinstance(value, str):
            for part, secret in SECRETS.items():
                if part in value:
                    value = secret.sub(r"\1…", value)
        return value


logging.getLogger("werkzeug").addFilter(WithoutSecrets())
