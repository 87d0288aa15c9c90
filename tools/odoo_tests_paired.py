"""Odoo's command line for `tools.odoo_tests --paired`: the database is paired, its users are
connected, and a stand-in answers for the service at the HTTP boundary. So Odoo's own tests run with
everything that the add-on does while it syncs.

Runs in Odoo's process. These environment variables are read: PAIRED_SKIP: ids of tests to skip, as
in the table of exceptions. PAIRED_UNCONNECTED: ids of tests to run with nobody connected. An id in
either that no test has is an error.
"""

import importlib
import json
import os
import sys
import threading

from odoo.modules.registry import Registry
from odoo.tests import case, loader

from odoo import SUPERUSER_ID, api

from .odoo_tests_runner import make_suite, tests_of

LIBRARY = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
LIBRARY_IN = ("web.assets_backend",)

skip = set(json.loads(os.environ.get("PAIRED_SKIP", "[]")))
unconnected = set(json.loads(os.environ.get("PAIRED_UNCONNECTED", "[]")))


class Connecting:
    """Whether a user who is created now is connected."""

    on = True


def names_of(test):
    """Returns the names that the table of exceptions may use for a test: the test alone, or its class."""
    name = test.id().removeprefix("odoo.addons.")
    return {name, name.rpartition(".")[0]}


def exists(name):
    """Whether there is a test, or a class of tests, with this name, even if it is not chosen for
    this run."""
    module, _, rest = name.partition(".tests.")
    file, *names = rest.split(".")
    try:
        found = importlib.import_module(f"odoo.addons.{module}.tests.{file}")
        for part in names:
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return False
    return True


def make_all(module_names, position="at_install"):
    """Puts all chosen tests into the suite that runs last, and pairs the database before it."""
    if position == "at_install":
        return make_suite([], position)
    pair(threading.current_thread().dbname)
    for name in sorted(skip | unconnected):
        if name.partition(".")[0] in module_names and not exists(name):
            print(f"error: there is no test {name}", flush=True)
            sys.exit(1)
    return loader.OdooSuite([test for test in tests_of(module_names) if not names_of(test) & skip])


def pair(database):
    """Pairs the database as an administrator would, with a service that accepts everything, and
    connects all users."""
    from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import OutlookBridgeClient
    from odoo.addons.microsoft_calendar_bridge.models.res_users import ResUsers
    from odoo.addons.microsoft_calendar_bridge.tests.common import CODE, URL, FakeService

    service = FakeService()
    OutlookBridgeClient._post = lambda client, url, call, timeout: service.post(client, url, call, timeout)

    def connect(users):
        accounts = users.env["outlook.bridge.account"].sudo()
        if not Connecting.on:
            return
        accounts.create([{"user_id": user.id, "status": "active"} for user in users if not user.share])

    @api.model_create_multi
    def create(self, vals_list):
        users = super(ResUsers, self).create(vals_list)
        connect(users)
        return users

    ResUsers.create = create
    with Registry(database).cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        # Debian's package of Odoo lacks this library, and without it every tour fails.
        for bundle in LIBRARY_IN:
            env["ir.asset"].create({"name": "no selfies", "bundle": bundle, "directive": "remove", "path": LIBRARY})
        # Includes the archived OdooBot, as most of Odoo's tests act as this user.
        for user in env["res.users"].with_context(active_test=False).search([("share", "=", False)]):
            service.set_account(user)
        env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        env["outlook.bridge.work"]._at_once()
        assert env["outlook.bridge.client"]._is_paired()
        assert env["outlook.bridge.account"].search_count([("status", "=", "active")])


call_test = case.TestCase._callTestMethod


def call_and_flush(self, method):
    """Runs the add-on's work before a commit at the end of each test, as a test never commits."""
    cr = getattr(self, "cr", None)
    if cr:
        accounts = self.env["outlook.bridge.account"].sudo()
        # The test before may have been rolled back, so its cached values are wrong.
        accounts._forget_statuses()
        if names_of(self) & unconnected:
            accounts.search([]).unlink()
            Connecting.on = False
    try:
        call_test(self, method)
    finally:
        Connecting.on = True
    if cr:
        cr.flush()


case.TestCase._callTestMethod = call_and_flush
loader.make_suite = make_all

if __name__ == "__main__":
    import odoo.cli

    odoo.cli.main()
