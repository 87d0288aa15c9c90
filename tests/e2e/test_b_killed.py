"""The service is killed at bad moments: nothing is lost and nothing happens twice."""

from tools import walk
from tools.stack import eventually

from .site import ANN, BEN, Site


def test_killed_between_the_save_and_the_sync(site: Site):
    """SIGKILL after Odoo has sent the change and before Outlook was asked."""
    stack = site.stack
    subject, edited, gone = walk.unique("Killed early"), walk.unique("Killed, edited"), walk.unique("Killed, gone")
    zoe = f"{subject.split()[-1]}@northwind.example"
    edit_id, gone_id = site.new_event(ANN, edited), site.new_event(ANN, gone)
    site.agrees()
    # Every write to Outlook takes long.
    stack.sim.add_fault(mailbox=ANN, write_latency_ms=20_000)
    try:
        site.new_event(ANN, subject, guests=(zoe,))
        site.client(ANN).write("calendar.event", edit_id, location="Room 7")
        site.client(ANN).unlink("calendar.event", gone_id)
        eventually(lambda: site.owed()["Odoo to service"] == 0, message="the service has taken over")
        stack.service.kill()
    finally:
        stack.sim.clear_faults()
    stack.service.start()
    site.agrees()
    site.outlook_event(ANN, subject)
    assert site.outlook_event(ANN, edited)["location"]["displayName"] == "Room 7"
    assert not stack.sim.event(ANN, gone)
    assert site.invitations(subject) == [zoe]


def test_killed_before_odoo_could_hand_over(site: Site):
    """Odoo saves while the service is down, and the service comes back."""
    stack = site.stack
    subject = walk.unique("Saved while dead")
    stack.service.kill()
    try:
        site.new_event(ANN, subject, guests=(BEN,))
    finally:
        stack.service.start()
    site.outlook_event(ANN, subject)
    site.outlook_event(BEN, subject)
    site.agrees()
    assert site.invitations(subject) == [BEN]


def test_killed_while_outlook_answers(site: Site):
    """SIGKILL after Outlook has made the event and before its answer has arrived."""
    stack = site.stack
    subject = walk.unique("Answer lost")
    zoe = f"{subject.split()[-1]}@northwind.example"
    # The event is made at once, but the answer arrives slowly.
    stack.sim.add_fault(mailbox=ANN, method="POST", slow_body_ms=30_000)
    try:
        site.new_event(ANN, subject, guests=(zoe,))
        site.outlook_event(ANN, subject)
        stack.service.kill()
    finally:
        stack.sim.clear_faults()
    stack.service.start()
    site.agrees()
    site.odoo_event(subject)
    site.outlook_event(ANN, subject)
    assert site.invitations(subject) == [zoe]


def test_killed_during_a_long_pull(site: Site):
    """SIGKILL twice while many changes in Outlook are read in slow pages."""
    stack = site.stack
    subjects = [walk.unique(f"Pulled {number}") for number in range(30)]
    stack.sim.add_fault(mailbox=BEN, path="delta", slow_body_ms=3_000)
    try:
        for number, subject in enumerate(subjects):
            site.new_outlook_event(BEN, subject, day=20 + number)
        for _ in range(2):
            before = stack.sim.faults_struck()
            # A mailbox belongs to the killed worker until the lease ends.
            eventually(lambda before=before: stack.sim.faults_struck() > before, 150, message="a pull has begun")
            stack.service.kill()
            stack.service.start()
    finally:
        stack.sim.clear_faults()
    site.agrees(300)
    for subject in subjects:
        site.odoo_event(subject)


def test_an_event_changed_on_both_sides_while_dead(site: Site):
    """Different properties change on each side while the service is dead: both changes survive."""
    stack = site.stack
    subject = walk.unique("Both sides")
    event_id = site.new_event(ANN, subject)
    outlook_id = site.outlook_event(ANN, subject)["id"]
    site.agrees()
    stack.service.kill()
    try:
        site.client(ANN).write("calendar.event", event_id, location="Room 9")
        renamed = walk.unique("Both sides, renamed")
        stack.sim.update_event(ANN, outlook_id, {"subject": renamed})
    finally:
        stack.service.start()
    eventually(
        lambda: (
            stack.odoo.query("SELECT name, location FROM calendar_event WHERE id = %s", event_id)
            == [(renamed, "Room 9")]
        ),
        message="Odoo has both changes",
    )
    site.agrees()
    assert site.outlook_event(ANN, renamed)["location"]["displayName"] == "Room 9"
