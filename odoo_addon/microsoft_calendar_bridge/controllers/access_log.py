# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import logging
import re

PATH = "microsoft_account"
# also where the address is part of another one, as after a login
CODE = re.compile(r"(\bcode(?:=|%3D))(?:(?!&|%26|\s).)+", re.IGNORECASE)


class WithoutCodes(logging.Filter):
    """Removes Microsoft's sign-in code from the addresses of requests, which Odoo writes to its log."""

    def filter(self, record):
        if isinstance(record.args, tuple):
            record.args = tuple(
                CODE.sub(r"\1…", value) if isinstance(value, str) and PATH in value else value for value in record.args
            )
        return True


logging.getLogger("werkzeug").addFilter(WithoutCodes())
