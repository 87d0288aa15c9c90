"""Odoo's command line, as `tools.odoo_tests --paired` runs it: the database is paired, its users are connected, and the
service is answered at the HTTP boundary. Odoo's own tests then meet what the add-on does while it syncs.

Run in Odoo's process; what goes through the environment:
PAIRED_SKIP: ids of tests, as the table of exceptions has them, which are left out. One that is not there is an error.
"""

import json
import os
import sys
import threading

from odoo.modules.registry import Registry
from odoo.tests import case, loader

from odoo import SUPERUSER_ID, api

LIBRARY = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
LIBRARY_IN = ("web.assets_backend",)

make_suite = loader.make_suite
skip = set(json.loads(os.environ.get("PAIRED_SKIP", "[]")))
seen_skipped: set[str] = set()


def make_all(module_names, position="at_install"):
    """All tests in the suite that runs last; see `odoo_tests.RUNNER`."""
    if position == "at_install":
        return make_suite([], position)
    early, late = make_suite(module_names, "at_install"), make_suite(module_names, "post_install")
    seen = {test.id() for test in late}
    tests = [test for test in early if test.id() not in seen] + list(late)
    pair(threading.current_thread().dbname)
    chosen = []
    for test in tests:
        name = test.id().removeprefix("odoo.addons.")
        if name in skip or name.rpartition(".")[0] in skip:
            seen_skipped.update({name, name.rpartition(".")[0]} & skip)
        else:
            chosen.append(test)
    for name in sorted(skip - seen_skipped):
        if any(test.id().startswith(f"odoo.addons.{name.partition('.')[0]}.") for test in chosen):
            print(f"error: there is no test {name} to leave out", flush=True)
            sys.exit(1)
    return loader.OdooSuite(chosen)


def pair(database):
    """Pairs it as an administrator would, with a service that takes everything, and connects everybody in it."""
    from odoo.addons.microsoft_calendar_bridge.models.outlook_bridge_client import OutlookBridgeClient
    from odoo.addons.microsoft_calendar_bridge.models.res_users import ResUsers
    from odoo.addons.microsoft_calendar_bridge.tests.common import CODE, URL, FakeService

    service = FakeService()
    OutlookBridgeClient._post = lambda client, url, payload, timeout: service.post(client, url, payload, timeout)

    def connect(users):
        accounts = users.env["outlook.bridge.account"].sudo()
        accounts.create([{"user_id": user.id, "status": "active"} for user in users if not user.share])

    @api.model_create_multi
    def create(self, vals_list):
        users = super(ResUsers, self).create(vals_list)
        connect(users)
        return users

    ResUsers.create = create
    with Registry(database).cursor() as cr:
        env = api.Environment(cr, SUPERUSER_ID, {})
        # Debian's package of Odoo is without this library, whose absence every tour takes for its own failure.
        for bundle in LIBRARY_IN:
            env["ir.asset"].create({"name": "no selfies", "bundle": bundle, "directive": "remove", "path": LIBRARY})
        for user in env["res.users"].search([("share", "=", False)]):
            service.set_account(user)
        env["outlook.bridge.pairing"]._save(url=URL, code=CODE)
        env["outlook.bridge.work"]._at_once()
        assert env["outlook.bridge.client"]._is_paired()
        assert env["outlook.bridge.account"].search_count([("status", "=", "active")])


call_test = case.TestCase._callTestMethod


def call_and_flush(self, method):
    """A test never commits: what the add-on does before a commit is done at the end of each."""
    call_test(self, method)
    if cr := getattr(self, "cr", None):
        cr.flush()


case.TestCase._callTestMethod = call_and_flush
loader.make_suite = make_all

if __name__ == "__main__":
    import odoo.cli

    odoo.cli.main()
