"""“This and following” during failures: no occurrence is lost or doubled, and the mails are those
of a normal edit."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tools import walk
from tools.stack import eventually
from tools.stack.proxy import Loss

from .series import agree, ids, in_odoo, in_outlook, mails, monday, new_outlook_series, new_series, utc, weekly
from .site import ANN, BEN, CARLA, Site

KEPT, COUNT = 2, 6
# So slow that answers are still on the way when the service is killed.
LONG = 30_000


class Split:
    """A weekly meeting of Ann's with a user and a guest from outside. From the third occurrence on,
    it gets another name and hour.
    """

    def __init__(self, site: Site):
        self.site = site
        self.subject, self.later = walk.unique("Weekly"), walk.unique("Weekly, later")
        self.events = new_series(site, self.subject, count=COUNT, guests=(BEN, CARLA))
        agree(site, self.subject, count=COUNT)
        self._mailed = len(self._mails())

    def save(self) -> None:
        """Saves as the person does in Odoo."""
        start = monday(15) + timedelta(weeks=KEPT)
        self.site.client(ANN).write(
            "calendar.event",
            self.events[KEPT],
            name=self.later,
            start=utc(start),
            stop=utc(start + timedelta(hours=1)),
            recurrence_update="future_events",
        )

    def handed_over(self) -> None:
        eventually(lambda: self.site.owed()["Odoo to service"] == 0, message="the service has taken over")

    def is_ended(self) -> bool:
        """Whether Outlook has only the first part under the old name."""
        return len(in_outlook(self.site, ANN, self.subject)) == KEPT

    def is_begun(self) -> bool:
        """Whether Outlook has the new series."""
        return len(in_outlook(self.site, ANN, self.later)) == COUNT - KEPT

    def settled(self) -> list[tuple[str, str]]:
        """Waits until both sides agree, checks for leftovers, and returns what was mailed."""
        shown = agree(self.site, self.subject, self.later, count=COUNT)
        assert [name for name, *_ in shown] == [self.subject] * KEPT + [self.later] * (COUNT - KEPT)
        for mailbox in (ANN, BEN):
            masters = [
                event["subject"]
                for event in self.site.stack.sim.events(mailbox)
                if event["subject"] in (self.subject, self.later) and not event["isCancelled"]
            ]
            assert sorted(masters) == sorted([self.subject, self.later]), f"in the mailbox of {mailbox}"
        recurrences = self.site.stack.odoo.query(
            "SELECT count(DISTINCT recurrence_id) FROM calendar_event WHERE active AND name = ANY(%s)",
            [self.subject, self.later],
        )
        assert recurrences == [(2,)]
        assert self.site.client(ANN).execute("calendar.event", "read", [self.events[0]], ["name"])
        return self._mails()[self._mailed :]

    def _mails(self) -> list[tuple[str, str]]:
        return mails(self.site, self.subject, self.later)


def killed_once(split: Split, reached: Callable[[], object], what: str) -> None:
    """Kills the service as soon as `reached` is true, and starts it again without the faults."""
    service, sim = split.site.stack.service, split.site.stack.sim
    try:
        split.save()
        eventually(reached, 60, interval=0.05, message=what)
        service.kill()
    finally:
        sim.clear_faults()
    service.start()


def dead_at_the_save(split: Split) -> None:
    service = split.site.stack.service
    service.kill()
    try:
        split.save()
    finally:
        service.start()


def hand_over_lost(split: Split) -> None:
    """The service has stored both series and Odoo does not receive the answer, so Odoo sends them again."""
    proxy = split.site.proxy
    proxy.lose(Loss.ANSWER, lambda body: split.later.encode() in body, times=1)
    try:
        split.save()
        eventually(lambda: proxy.lost, 150, message="the answer was lost")
    finally:
        proxy.heal()


def killed_before_the_first_write(split: Split) -> None:
    split.site.stack.sim.add_fault(mailbox=ANN, write_latency_ms=LONG)
    killed_once(split, lambda: split.site.owed()["Odoo to service"] == 0, "the service has taken over")


def killed_before_the_answer_to_the_end(split: Split) -> None:
    """Killed after Outlook has ended the old series, while its answer is on the way."""
    split.site.stack.sim.add_fault(mailbox=ANN, method="PATCH", path="/me/events/", slow_body_ms=LONG)
    killed_once(split, split.is_ended, "Outlook has ended the series")


def killed_when_the_end_is_written(split: Split) -> None:
    """Killed after the old series is ended, while the new one is still on the way."""
    split.site.stack.sim.add_fault(mailbox=ANN, method="POST", path="/me/events", write_latency_ms=LONG)
    killed_once(split, split.is_ended, "Outlook has ended the series")


def killed_before_the_answer_to_the_new_one(split: Split) -> None:
    """Killed after Outlook has made the new series, while its answer is on the way."""
    split.site.stack.sim.add_fault(mailbox=ANN, method="POST", path="/me/events", slow_body_ms=LONG)
    killed_once(split, split.is_begun, "Outlook has made the new series")


def killed_when_the_new_one_is_made(split: Split) -> None:
    """Killed after the new series is made, while Outlook refuses the end of the old one."""
    split.site.stack.sim.add_fault(mailbox=ANN, method="PATCH", path="/me/events/", status=503)
    killed_once(split, lambda: split.is_begun() and not split.is_ended(), "Outlook has made the new series alone")


def both_refused_after_their_effect(split: Split) -> None:
    failing(split, status=503, took_effect=True, count=1)


def both_refused(split: Split) -> None:
    failing(split, status=503, count=2)


def connections_cut_after_the_effect(split: Split) -> None:
    failing(split, cut="after", count=1)


def failing(split: Split, *, count: int, **fault: object) -> None:
    """The end of the old series fails, and so does the creation of the new one."""
    sim = split.site.stack.sim
    sim.add_fault(mailbox=ANN, method="PATCH", path="/me/events/", count=count, **fault)
    sim.add_fault(mailbox=ANN, method="POST", path="/me/events", count=count, **fault)
    try:
        split.save()
        eventually(lambda: sim.faults_struck() == 2 * count, 120, message="the faults have struck")
    finally:
        sim.clear_faults()


def links_lost(split: Split) -> None:
    """Killed after Outlook's answer is stored, before Odoo calls again."""
    split.save()
    eventually(lambda: split.is_ended() and split.is_begun(), 60, interval=0.05, message="Outlook has both")
    split.site.stack.service.kill()
    split.site.stack.service.start()


DISTURBANCES = [
    dead_at_the_save,
    hand_over_lost,
    killed_before_the_first_write,
    killed_before_the_answer_to_the_end,
    killed_when_the_end_is_written,
    killed_before_the_answer_to_the_new_one,
    killed_when_the_new_one_is_made,
    both_refused_after_their_effect,
    both_refused,
    connections_cut_after_the_effect,
    links_lost,
]


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> list[tuple[str, str]]:
    """Returns the mails of the same edit without failures."""
    split = Split(site)
    split.save()
    sent = sorted(split.settled())
    assert [mail for mail in sent if mail[0] == "invitation"] == [("invitation", BEN), ("invitation", CARLA)]
    return sent


@pytest.mark.parametrize("disturbance", DISTURBANCES, ids=lambda function: function.__name__)
def test_this_and_following(site: Site, undisturbed: list[tuple[str, str]], disturbance: Callable[[Split], None]):
    split = Split(site)
    disturbance(split)
    assert sorted(split.settled()) == undisturbed


def test_delete_this_and_following_while_killed(site: Site):
    """SIGKILL after Outlook has ended the series and before its answer has arrived."""
    stack, subject = site.stack, walk.unique("Ends")
    events = new_series(site, subject, count=COUNT, guests=(CARLA,))
    agree(site, subject, count=COUNT)
    mailed = len(mails(site, subject))
    stack.sim.add_fault(mailbox=ANN, method="PATCH", path="/me/events/", slow_body_ms=LONG)
    try:
        site.client(ANN).execute("calendar.event", "action_mass_deletion", [events[KEPT]], "future_events")
        eventually(
            lambda: len(in_outlook(site, ANN, subject)) == KEPT, 60, interval=0.05, message="Outlook has ended it"
        )
        stack.service.kill()
    finally:
        stack.sim.clear_faults()
    stack.service.start()
    agree(site, subject, count=KEPT)
    assert mails(site, subject)[mailed:] == [("update", CARLA)]


def test_a_move_in_outlook_whose_results_are_lost(site: Site):
    """Odoo has moved its records, and the service is killed before it receives the results: no
    record is doubled."""
    stack, subject = site.stack, walk.unique("Moves")
    master = new_outlook_series(site, subject, count=COUNT, guests=(CARLA,))
    agree(site, subject, count=COUNT)
    before = ids(site, subject)
    first = monday() + timedelta(days=1)
    # The call with Odoo's results never arrives.
    site.proxy.lose(Loss.REQUEST, lambda body: b'"result": "applied"' in body, times=1000)
    try:
        stack.sim.update_event(
            ANN,
            master,
            {
                "start": {"dateTime": f"{first:%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
                "end": {"dateTime": f"{first + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": "Europe/Brussels"},
                "recurrence": weekly(COUNT, "tuesday", first),
            },
        )
        eventually(lambda: site.proxy.lost, 150, message="Odoo has applied it, and cannot say so")
        stack.service.kill()
    finally:
        site.proxy.heal()
    stack.service.start()
    agree(site, subject, count=COUNT)
    assert ids(site, subject) == before
    assert in_odoo(site, subject)[0][1].startswith(f"{first:%Y-%m-%d}")
