"""The cases: each measures the site and returns rows."""

import math
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..stack import Odoo, eventually
from .process_stats import cpu_seconds, memory_mb
from .report import Row
from .site import (
    BRIDGE_MANY,
    BRIDGE_PULL,
    BRIDGE_PUSH,
    PLAIN,
    ROUND_TRIP_MS,
    STOCK_PULL,
    STOCK_PUSH,
    WRITE_MS,
    Site,
)

SCRIPTS = Path(__file__).with_name("in_odoo")
ROUND_TRIP, WRITE = ROUND_TRIP_MS / 1000, WRITE_MS / 1000
# Graph's limits: rows of a page as both engines ask for them, requests in a batch, and how many of
# those run at once.
PAGE, BATCH, AT_ONCE = 50, 20, 4
# How many changes the add-on gets at once.
ODOO_BATCH = 200
DAYS = 100
PATIENCE = 1800.0

GUESTS = [f"guest-{number}@elsewhere.example" for number in (1, 2)]
DESCRIPTION = "<p>Agenda: numbers, <b>risks</b>, next steps.</p>"
LOCATION = "Meeting room 4"


def first_day() -> datetime:
    return datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0, tzinfo=None) + timedelta(days=3)


def meeting() -> dict[str, Any]:
    """Returns what meetings in Outlook have besides title and time: the same as `create` gives
    meetings in Odoo."""
    return {
        "body": {"contentType": "html", "content": DESCRIPTION},
        "location": {"displayName": LOCATION},
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 15,
        "attendees": [{"type": "required", "emailAddress": {"address": guest, "name": guest}} for guest in GUESTS],
    }


def create(odoo: Odoo, login: str, subject: str, count: int, *, quiet: bool = False) -> dict[str, float]:
    """Makes meetings in Odoo: as a user in one go, or in batches with the ORM alone, without mails."""
    return odoo.run_script(
        SCRIPTS / "create_events.py",
        login=login,
        guests=GUESTS,
        start=first_day().isoformat(),
        days=DAYS,
        subject=subject,
        count=count,
        batch=ODOO_BATCH if quiet else count,
        description=DESCRIPTION,
        location=LOCATION,
        quiet=quiet,
    )


def fill_mailbox(site: Site, address: str, count: int) -> None:
    site.sim.add_many(address, count, days=DAYS, start=first_day().isoformat() + "Z", subject="Pulled", event=meeting())


def wait_for_count(odoo: Odoo, login: str, subject: str, count: int) -> float:
    """Returns the time at which Odoo has this many of a user's events."""
    with closing(odoo.server.connect(odoo.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:

            def there() -> bool:
                cursor.execute(
                    """
                    SELECT count(*) FROM calendar_event event JOIN res_users owner ON owner.id = event.user_id
                     WHERE owner.login = %s AND event.name LIKE %s
                    """,
                    (login, f"{subject} %"),
                )
                found = cursor.fetchone()[0]
                assert found <= count, f"{found} events instead of {count}"
                assert found == count, f"{found} of {count}"
                return True

            eventually(there, PATIENCE, interval=0.05, message=f"{count} events '{subject}' are in Odoo")
    return time.time()


def settled(site: Site) -> None:
    """Waits until no change is pending for either side and no mailbox is being synced."""

    def nothing_owed() -> bool:
        server, database = site.stack.server, site.stack.bridge_database
        for table in ("outlook_outbox", "odoo_outbox"):
            assert server.query(database, f"SELECT count(*) FROM {table}") == [(0,)], table
        due = "SELECT count(*) FROM accounts WHERE lease_id IS NOT NULL"
        assert server.query(database, due) == [(0,)], "a mailbox is being worked"
        for table in ("outlook_bridge_outbox", "outlook_bridge_result"):
            assert site.stack.odoo.query(f"SELECT count(*) FROM {table}") == [(0,)], table
        return True

    eventually(nothing_owed, PATIENCE, interval=0.5, message="everything is handed over")


def counts(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Counts a request log by client requests. A request inside a batch counts as a write."""
    batches = sum("$batch" in line["path"] for line in lines)
    reads = sum(line["method"] == "GET" for line in lines)
    return {"batches": batches, "reads": reads, "writes": len(lines) - batches - reads}


def moment(line: dict[str, Any]) -> float:
    """Returns when a request of the log was answered."""
    return datetime.fromisoformat(line["time"]).timestamp()


# The cases


def pull(site: Site, count: int, stock_count: int) -> list[Row]:
    pages = math.ceil(count / PAGE)
    rows = []
    orm = [create(site.plain, PLAIN, "Alone", count, quiet=True)["seconds"]]

    fill_mailbox(site, BRIDGE_PULL, count)
    site.sim.forget_requests()
    client = site.clients[BRIDGE_PULL]
    cpu = cpu_seconds(site.service.pid)
    site.sim.log_in(client)
    began = time.time()
    client.route("/microsoft_calendar/sync_data", model="calendar.event", fromurl=f"{client.url}/odoo/calendar")
    seconds = wait_for_count(site.stack.odoo, BRIDGE_PULL, "Pulled", count) - began
    settled(site)
    cpu = cpu_seconds(site.service.pid) - cpu
    lines = site.sim.requests(mailbox=BRIDGE_PULL)
    delta = [line for line in lines if "/delta" in line["path"]]

    orm.append(create(site.plain, PLAIN, "Again", count, quiet=True)["seconds"])
    least = statistics.mean(orm) + pages * ROUND_TRIP
    case = f"pull {count:,}"
    alone = " and ".join(f"{seconds:.1f} s" for seconds in orm)
    rows += [
        Row(
            case,
            "until Odoo has them all",
            seconds,
            "s",
            least,
            1.5 * least,
            f"least: Odoo's ORM alone ({alone}, before and after) and {pages} pages of {ROUND_TRIP_MS} ms",
        ),
        Row(case, "until Outlook has been read", moment(delta[-1]) - began, "s", pages * ROUND_TRIP),
        Row(case, "round trips", len(delta), "", pages, None, "the simulator sends empty pages and repeats rows"),
        Row(case, "other requests", len(lines) - len(delta), "", 0, None, "who the mailbox is"),
        Row(case, "processor time of the service", cpu, "s"),
    ]

    fill_mailbox(site, STOCK_PULL, stock_count)
    site.sim.log_in(site.clients[STOCK_PULL])
    site.sim.forget_requests()
    (stock,) = site.stock.run_script(SCRIPTS / "stock_sync.py", login=STOCK_PULL, times=1)
    wait_for_count(site.stock, STOCK_PULL, "Pulled", stock_count)
    case = f"pull {stock_count:,}, stock engine"
    rows += [
        Row(case, "until Odoo has them all", stock["seconds"], "s"),
        Row(case, "round trips", len(site.sim.requests(mailbox=STOCK_PULL)), "", math.ceil(stock_count / PAGE)),
    ]
    return rows


def push(site: Site, count: int, stock_count: int) -> list[Row]:
    client = site.clients[BRIDGE_PUSH]
    site.stack.connect(client)
    settled(site)
    eventually(
        lambda: site.stack.server.query(
            site.stack.bridge_database, "SELECT 1 FROM accounts WHERE login = %s AND existing = 'told'", BRIDGE_PUSH
        ),
        PATIENCE,
        message="the service knows what the user had",
    )
    site.sim.forget_requests()
    cpu = cpu_seconds(site.service.pid)
    made = create(site.stack.odoo, BRIDGE_PUSH, "Pushed", count)

    def written() -> list[dict[str, Any]]:
        lines = site.sim.requests(mailbox=BRIDGE_PUSH, method="POST", path="/events")
        assert len(lines) >= count, f"{len(lines)} of {count}"
        return lines

    writes = eventually(written, PATIENCE, interval=1, message="everything is written to Outlook")
    settled(site)
    cpu = cpu_seconds(site.service.pid) - cpu
    lines = site.sim.requests(mailbox=BRIDGE_PUSH)
    batches = [line for line in lines if "$batch" in line["path"]]
    direct = [line for line in writes if line["client_request_id"]]
    ended = max(moment(line) for line in batches + direct)
    first_left = min(moment(line) - line["duration_ms"] / 1000 for line in batches)
    least = math.ceil(count / BATCH) * ROUND_TRIP + math.ceil(count / AT_ONCE) * WRITE
    events = len(site.sim.events(BRIDGE_PUSH))
    if events != count:
        raise AssertionError(f"{events} events in Outlook instead of {count}")
    case = f"push {count:,}"
    found = counts(lines)
    wire = f"{math.ceil(count / BATCH)} round trips of {ROUND_TRIP_MS} ms and {math.ceil(count / AT_ONCE)} writes' time"
    rows = [
        Row(case, "from the commit to the last answer", ended - made["committed_at"], "s", least, 1.25 * least, wire),
        Row(case, "from the first request to the last answer", ended - first_left, "s", least),
        Row(case, "round trips to write", found["batches"] + len(direct), "", math.ceil(count / BATCH)),
        Row(case, "requests in them", found["writes"], "", count),
        Row(case, "round trips to read", found["reads"], "", 0, None, "the own writes come back in the delta"),
        Row(case, "processor time of the service", cpu, "s"),
    ]

    site.sim.log_in(site.clients[STOCK_PUSH])
    site.stock.run_script(SCRIPTS / "stock_sync.py", login=STOCK_PUSH, times=1)
    site.sim.forget_requests()
    made = create(site.stock, STOCK_PUSH, "Pushed", stock_count)
    lines = site.sim.requests(mailbox=STOCK_PUSH)
    least = math.ceil(stock_count / BATCH) * ROUND_TRIP + math.ceil(stock_count / AT_ONCE) * WRITE
    events = len(site.sim.events(STOCK_PUSH))
    case = f"push {stock_count:,}, stock engine"
    note = f"{made['last_commit_seconds'] / stock_count * 1000:.0f} ms an event, while the user waits"
    if events != stock_count:
        note += f"; Outlook has {events} of {stock_count} events"
    rows += [
        Row(case, "from the commit to the last answer", made["last_commit_seconds"], "s", least, None, note),
        Row(case, "round trips to write", len(lines), "", math.ceil(stock_count / BATCH)),
    ]
    return rows


def nothing_new(site: Site, syncs: int) -> list[Row]:
    """In this case only, the service asks every second; the built-in sync runs by a script."""
    settled(site)
    service = site.service
    # All other mailboxes rest for an hour.
    service.stop()
    service.poll_seconds = 1
    service.start()
    site.stack.server.query(
        site.stack.bridge_database, "UPDATE accounts SET next_run_at = now() WHERE login = %s", BRIDGE_PUSH
    )

    def asked() -> int:
        return len(site.sim.requests(mailbox=BRIDGE_PUSH))

    # The first requests after a start open connections.
    site.sim.forget_requests()
    eventually(lambda: asked() >= 5, PATIENCE)
    site.sim.forget_requests()
    cpu, rounds = cpu_seconds(service.pid), service.metric("outlook_bridge_runs_total")
    eventually(lambda: asked() >= syncs, PATIENCE, interval=1)
    lines = site.sim.requests(mailbox=BRIDGE_PUSH)
    cpu = cpu_seconds(service.pid) - cpu
    rounds = service.metric("outlook_bridge_runs_total") - rounds
    service.stop()
    service.poll_seconds = 3600
    service.start()
    idle_from, idle_cpu = time.time(), cpu_seconds(service.pid)
    time.sleep(20)
    idle = (cpu_seconds(service.pid) - idle_cpu) / (time.time() - idle_from)
    rows = [
        Row("nothing new", "round trips a sync", len(lines) / rounds, "", 1, 1, f"{rounds} syncs, one a second"),
        Row(
            "nothing new",
            "processor time of the service a sync",
            cpu / rounds * 1000,
            "ms",
            None,
            3,
            f"with {idle * 1000:.1f} ms a second that the service uses at rest",
        ),
    ]
    site.sim.forget_requests()
    # The first run of a process fills its caches.
    stock = site.stock.run_script(SCRIPTS / "stock_sync.py", login=STOCK_PUSH, times=11)[1:]
    case = "nothing new, stock engine"
    rows += [
        Row(case, "round trips a sync", len(site.sim.requests(mailbox=STOCK_PUSH)) / 11, "", 1),
        Row(case, "processor time of Odoo a sync", statistics.mean(s["cpu_seconds"] for s in stock) * 1000, "ms"),
    ]
    return rows


def save(site: Site, times: int) -> list[Row]:
    """Saves one event over HTTP as the web client does, in turns at the three Odoos, so that the
    load of the machine affects all equally.

    The event has no guests, as Odoo would mail them where nothing syncs.
    """
    people = {"no sync": PLAIN, "bridge": BRIDGE_PUSH, "stock engine": STOCK_PUSH}
    took: dict[tuple[str, str], list[float]] = {}
    for number in range(times + 3):
        for name, login in people.items():
            client = site.clients[login]
            start = first_day() + timedelta(days=200, minutes=30 * number)
            values = {
                "name": f"Saved {number}",
                "start": f"{start:%Y-%m-%d %H:%M:%S}",
                "stop": f"{start + timedelta(minutes=30):%Y-%m-%d %H:%M:%S}",
                "location": LOCATION,
                "description": DESCRIPTION,
            }
            shown = {"name": {}, "start": {}, "stop": {}}
            began = time.perf_counter()
            (saved,) = client.execute("calendar.event", "web_save", [], values, specification=shown)
            created = time.perf_counter()
            # Work that follows a save and that nobody waits for must not disturb the next one.
            time.sleep(1)
            again = time.perf_counter()
            client.execute(
                "calendar.event", "web_save", [saved["id"]], {"name": f"Edited {number}"}, specification=shown
            )
            edited = time.perf_counter()
            time.sleep(1)
            # The first saves fill caches.
            if number >= 3:
                took.setdefault((name, "create"), []).append((created - began) * 1000)
                took.setdefault((name, "edit"), []).append((edited - again) * 1000)
    settled(site)
    odoos = {"no sync": site.plain, "bridge": site.stack.odoo, "stock engine": site.stock}
    cost = {
        name: odoos[name].run_script(
            SCRIPTS / "save_cost.py",
            login=login,
            times=20,
            start=(first_day() + timedelta(days=300)).isoformat(),
            description=DESCRIPTION,
            location=LOCATION,
        )
        for name, login in people.items()
    }
    rows = []
    for action in ("create", "edit"):
        middle = {name: statistics.median(took[name, action]) for name in people}
        least = middle["no sync"]
        case = f"save ({action})"
        rows += [
            Row(case, "no sync", least, "ms", None, None, f"medians of {times} in turns"),
            Row(case, "bridge", middle["bridge"], "ms", least, least + 5),
            Row(case, "stock engine", middle["stock engine"], "ms", least),
        ]
        for name in people:
            found = cost[name][action]
            rows += [
                Row(case, f"{name}: processor time in Odoo", found["cpu_seconds"] * 1000, "ms"),
                Row(case, f"{name}: queries", found["queries"]),
            ]
    return rows


def many(site: Site, count: int) -> list[Row]:
    """Reads a mailbox that is too large for memory. Odoo need not have all of its events for that."""
    case = f"mailbox of {count:,}"
    site.sim.add_many(BRIDGE_MANY, count, days=600, subject="Many", event={"body": meeting()["body"]})
    site.service.stop()
    site.service.start()
    site.sim.forget_requests()
    began = time.time()
    site.stack.connect(site.clients[BRIDGE_MANY])

    def state() -> tuple[bool, int]:
        ((pulled, known),) = site.stack.server.query(
            site.stack.bridge_database,
            "SELECT pulled_once, (SELECT count(*) FROM copies WHERE account_id = accounts.id) FROM accounts"
            " WHERE login = %s",
            BRIDGE_MANY,
        )
        return pulled, known

    told = 0.0
    while True:
        pulled, known = state()
        if pulled:
            break
        if time.time() - told > 30:
            told = time.time()
            site.report(f"{known:,} of {count:,} events read, {memory_mb(site.service.pid)['VmHWM']:.0f} MB at most")
        if time.time() - began > 2 * PATIENCE:
            raise AssertionError(f"only {known} of {count} events were read")
        time.sleep(1)
    seconds = time.time() - began

    def in_odoo() -> int:
        return site.stack.odoo.query("SELECT count(*) FROM calendar_event WHERE name LIKE 'Many %'")[0][0]

    # Apply some more pages while all others are pending.
    goal = min(count, in_odoo() + 5 * ODOO_BATCH)
    eventually(lambda: in_odoo() >= goal, PATIENCE, interval=1, message=f"{goal} of the events are in Odoo")
    memory = memory_mb(site.service.pid)
    return [
        Row(
            case,
            "resident memory of the service, highest",
            memory["VmHWM"],
            "MB",
            None,
            60,
            f"all read from Outlook, {in_odoo():,} of them handed to Odoo when the measuring ended",
        ),
        Row(case, "resident memory of the service, at the end", memory["VmRSS"], "MB"),
        Row(case, "until Outlook has been read", seconds, "s", math.ceil(count / PAGE) * ROUND_TRIP),
    ]
