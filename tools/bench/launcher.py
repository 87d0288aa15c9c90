"""Odoo, started by a file: its server with workers starts one more process by that name.

Where MICROSOFT_GRAPH is set, Odoo's own Outlook sync takes that for Graph. Nothing else about it is changed: where to
sign in are system parameters of Odoo.
"""

import os
from urllib.parse import urlsplit

import odoo.cli


def redirect(graph: str) -> None:
    """Puts another address in the place of the constant, and of the default that was made of it."""
    from odoo.addons.microsoft_account.models import microsoft_service as stock

    do_request = stock.MicrosoftService._do_request
    do_request.__defaults__ = tuple(
        graph if value == stock.DEFAULT_MICROSOFT_GRAPH_ENDPOINT else value for value in do_request.__defaults__
    )
    # The host of every request must be one of these constants'.
    stock.DEFAULT_MICROSOFT_GRAPH_ENDPOINT = f"{urlsplit(graph).scheme}://{urlsplit(graph).netloc}"


if graph := os.environ.get("MICROSOFT_GRAPH"):
    redirect(graph)
odoo.cli.main()
