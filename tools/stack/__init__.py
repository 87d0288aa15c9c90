"""Runs the real programs as child processes: Postgres, Odoo, the service and the Microsoft simulator."""

from .odoo import ADMIN, Odoo, OdooClient, RpcError, Templates
from .process import NotYetError, Process, eventually, free_port, preferred_port
from .service import Service
from .sim import CLIENT_ID, CLIENT_SECRET, Simulator
from .stack import Stack

__all__ = [
    "ADMIN",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "NotYetError",
    "Odoo",
    "OdooClient",
    "Process",
    "RpcError",
    "Service",
    "Simulator",
    "Stack",
    "Templates",
    "eventually",
    "free_port",
    "preferred_port",
]
