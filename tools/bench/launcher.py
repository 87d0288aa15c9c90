"""Starts Odoo from a file: a server with workers starts one more process by the name of this file.

If MICROSOFT_GRAPH is set, Odoo's built-in sync uses it as the address of Graph, and is otherwise
unchanged. Its login addresses are system parameters of Odoo.
"""

import os
from urllib.parse import urlsplit

import odoo.cli


def redirect(graph: str) -> None:
    """Replaces the constant and the default that was made from it with another address."""
    from odoo.addons.microsoft_account.models import microsoft_service as stock

    do_request = stock.MicrosoftService._do_request
    do_request.__defaults__ = tuple(
        graph if value == stock.DEFAULT_MICROSOFT_GRAPH_ENDPOINT else value for value in do_request.__defaults__
    )
    # Odoo only sends requests to the hosts of these constants.
    stock.DEFAULT_MICROSOFT_GRAPH_ENDPOINT = f"{urlsplit(graph).scheme}://{urlsplit(graph).netloc}"


if graph := os.environ.get("MICROSOFT_GRAPH"):
    redirect(graph)
odoo.cli.main()
