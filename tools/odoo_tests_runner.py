"""Odoo's command line for `tools.odoo_tests`, in Odoo's process: all tests run at the end, each at
its own time. `tools.odoo_tests_paired` adds a paired database."""

from odoo.tests import case, loader

make_suite = loader.make_suite
call_set_up = case.TestCase._callSetUp


def tests_of(module_names):
    """Returns all tests of these modules, for the suite that runs last."""
    # Some of stock's tests carry neither mark of a position, or both.
    early, late = make_suite(module_names, "at_install"), make_suite(module_names, "post_install")
    seen = {test.id() for test in late}
    return [test for test in early if test.id() not in seen] + list(late)


def make_all(module_names, position="at_install"):
    if position == "at_install":
        return make_suite([], position)
    return loader.OdooSuite(tests_of(module_names))


def set_up_now(self):
    """Lets the time that Odoo writes into records be that of the test.

    All tests of a class share a transaction, and with it the time at which the class began. Some of
    them compare it with the clock and allow five minutes, within which a slow machine does not end.
    """
    cr = getattr(self, "cr", None)
    if cr:
        cr.execute("SELECT clock_timestamp() AT TIME ZONE 'UTC'")
        [cr._now] = cr.fetchone()
    call_set_up(self)


case.TestCase._callSetUp = set_up_now
loader.make_suite = make_all

if __name__ == "__main__":
    import odoo.cli

    odoo.cli.main()
