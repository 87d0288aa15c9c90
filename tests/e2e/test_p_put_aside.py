"""What fails for one user is put aside, and all other calendars go on."""

from tools import walk
from tools.stack import eventually

from .site import ANN, BEN, PATIENCE, Site


def test_a_creation_that_never_ends_holds_up_no_colleague(site: Site):
    sim = site.stack.sim
    stuck, invited, own = walk.unique("Stuck"), walk.unique("Invited"), walk.unique("Own")
    sim.add_fault(mailbox=ANN, method="POST", path="/me/events", status=500)
    try:
        site.new_event(ANN, stuck)
        eventually(lambda: sim.faults_struck() > 0, PATIENCE, message="its creation has failed once")
        # Ann presses Stop while the creation is still pending.
        user = site.client(ANN).execute("res.users", "search", [["login", "=", ANN]])
        site.client(ANN).execute("res.users", "stop_microsoft_synchronization", user)
        site.new_outlook_event(ANN, invited, guests=(BEN,))
        site.new_outlook_event(BEN, own)
        eventually(lambda: site.odoo_event(own), PATIENCE, message="Ben's own event is in Odoo")
        eventually(lambda: site.odoo_event(invited), PATIENCE, message="and what Ann invites him to")
    finally:
        sim.clear_faults()
    site.client(ANN).execute("res.users", "restart_microsoft_synchronization", user)
    eventually(lambda: site.outlook_event(ANN, stuck), 2 * PATIENCE, message="once it can be made, it is")
