"""The add-on is uninstalled and installed again while the same server runs."""

from tools.stack import Stack

from .site import ANN, Site


def test_uninstalled_and_installed_again_in_a_running_server(make_stack):
    stack: Stack = make_stack()
    site = Site(stack)
    site.set_up()
    for _ in range(2):
        stack.odoo.change_module("uninstall", "microsoft_calendar_bridge")
        # people go on working meanwhile
        site.new_event(ANN, "Between")
        stack.odoo.change_module("install", "microsoft_calendar_bridge")
        assert site.client(ANN).execute("res.users", "read", [site.client(ANN).uid], ["outlook_bridge_paired"])
    stack.pair(site.proxy.url)
    # unpairing deleted the tokens
    stack.connect(site.client(ANN))
    site.new_event(ANN, "After it came back")
    assert site.outlook_event(ANN, "After it came back")
    site.close()
