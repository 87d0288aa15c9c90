"""Expands thousands of random recurrence rules by Odoo, by graph-sim and by the service, converted
in both directions: dates and hours must be the same over several years.

The rules are new in each run. `SEED` repeats one.
"""

import json
import os
import random
import subprocess
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tools.stack import odoo, paths, postgres

# `make test-long` takes more.
RULES = int(os.environ.get("RULES", "400"))
YEARS = 6
# From 2038 on, pytz (and so Odoo) knows no daylight saving time.
KNOWN_UNTIL = "2037"
FORMAT = "%Y-%m-%d %H:%M:%S"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# With and without daylight saving, on both hemispheres, with odd offsets, a shift of half an hour,
# and unusual rules.
ZONES = (
    *("Europe/Brussels", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "UTC", "Pacific/Auckland"),
    *("Australia/Lord_Howe", "America/Sao_Paulo", "Europe/Dublin", "Asia/Tokyo", "America/St_Johns"),
)
# Expands rules with Odoo's own code, in Odoo's process.
SHELL = """
import json
recurrences = env["calendar.recurrence"]
language = env["res.lang"].search([("code", "=", env.user.lang)])
with open({answers!r}, "w") as answers, open({questions!r}) as questions:
    for line in questions:
        asked = json.loads(line)
        if int(language.week_start) != asked["week_start"] + 1:
            language.week_start = str(asked["week_start"] + 1)
        allday = len(asked["start"]) == 10
        times = [asked["start"] + " 08:00:00", asked["start"] + " 18:00:00"] if allday else [asked["start"]] * 2
        event = {{"name": "x", "allday": allday, "start": times[0], "stop": times[1]}}
        rule = {{name: value for name, value in asked["rule"].items() if value is not None}}
        recurrence = recurrences.new({{**rule, "event_tz": asked["tz"], "calendar_event_ids": [(0, 0, event)]}})
        event = recurrence.calendar_event_ids
        starts = sorted(start for start, _stop in recurrence._range_calculation(event, event.stop - event.start))
        answers.write(json.dumps([str(start)[: 10 if allday else 19] for start in starts]) + "\\n")
        recurrence.invalidate_recordset()
"""


def near(starts: list[str]) -> list[str]:
    return [start for start in starts if start < KNOWN_UNTIL]


class Site:
    """An Odoo that expands rules."""

    def __init__(self, server: postgres.Postgres, folder: Path):
        self.folder = folder
        self.server = server
        self.database = f"ob_rules_{uuid.uuid4().hex[:8]}"
        odoo.Templates(server, folder, print).instantiate("base", self.database, folder / "data", "http://localhost")
        self.config = odoo.write_config(folder / "odoo.conf", server, folder / "data", database=self.database, port=0)

    def expand(self, rules: list[dict]) -> list[list[str]]:
        questions, answers = self.folder / "questions", self.folder / "answers"
        questions.write_text("".join(json.dumps(rule) + "\n" for rule in rules))
        script = SHELL.format(questions=str(questions), answers=str(answers))
        done = subprocess.run(
            odoo.command(self.config, "shell", "--no-http", "--log-level=error"),
            input=script,
            env=odoo.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        found = [near(json.loads(line)) for line in answers.read_text().splitlines()]
        assert len(found) == len(rules), done.stderr[-3000:]
        return found


@pytest.fixture(scope="module")
def site(server: postgres.Postgres, run_dir: Path) -> Iterator[Site]:
    folder = run_dir / "recurrence"
    folder.mkdir()
    made = Site(server, folder)
    yield made
    server.drop(made.database)


@pytest.fixture(scope="module")
def chance(note: Callable[[str], None]) -> random.Random:
    seed = os.environ.get("SEED") or uuid.uuid4().hex[:8]
    print(f"SEED={seed}")
    note(f"recurrence rules: SEED={seed}")
    return random.Random(seed)


def ask(program: list[str], questions: list[dict]) -> list[dict]:
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run(program, input=lines, capture_output=True, text=True, check=False, cwd=paths.PROJECT_ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions)
    return answers


def service(questions: list[dict]) -> list[dict]:
    answers = ask(["cargo", "run", "--quiet", "--locked", "--example", "expand"], questions)
    for answer in answers:
        for name in {"occurrences", "expansion"} & answer.keys():
            answer[name] = near(answer[name])
    return answers


def graph_sim(events: list[dict]) -> list[list[str]]:
    """Returns the starts in UTC, in Odoo's format."""
    questions = [
        {
            "event": event,
            "from": f"{day(event)}T00:00:00Z",
            "to": f"{day(event) + timedelta(days=366 * YEARS)}T00:00:00Z",
        }
        for event in events
    ]
    answers = ask([str(paths.PROJECT_ROOT / "target/debug/graph-sim"), "expand"], questions)
    refused = [
        (event["recurrence"], answer) for event, answer in zip(events, answers, strict=True) if "error" in answer
    ]
    assert not refused, refused[:3]
    return [[start[:19].replace("T", " ") for start, _end in answer["occurrences"]] for answer in answers]


def day(event: dict) -> date:
    """Returns the day before the start, as the window is in UTC."""
    return date.fromisoformat(event["recurrence"]["range"]["startDate"]) - timedelta(days=1)


def random_start(chance: random.Random) -> tuple[date, str | None]:
    """Returns a date, and a local time or None, often near a change of the clock or of the UTC date."""
    first = date(2024, 1, 1) + timedelta(days=chance.randrange(1100))
    hour = chance.choice([None, "00:30:00", "01:30:00", "02:30:00", "09:00:00", "14:45:00", "20:00:00", "23:30:00"])
    return first, hour


def random_odoo(chance: random.Random) -> dict:
    first, hour = random_start(chance)
    zone = chance.choice(ZONES)
    kind = chance.choice(["daily", "weekly", "weekly", "monthly", "monthly", "yearly"])
    end = chance.choice(["count", "end_date", "forever"])
    days = chance.sample(DAYS, chance.choice([1, 1, 2, 3, 5]))
    rule = {
        "rrule_type": kind,
        "interval": chance.choice([1, 1, 1, 2, 2, 3, 5, 12]),
        "end_type": end,
        "count": chance.choice([1, 2, 10, 60, 719, 720, 1000]),
        "until": str(first + timedelta(days=chance.randrange(2000))),
        "month_by": chance.choice(["date", "day"]),
        "day": chance.choice([1, 10, 15, 28, 29, 30, 31, first.day]),
        "weekday": chance.choice(DAYS).upper(),
        "byday": chance.choice(["1", "2", "3", "4", "-1"]),
        **{name: name in days for name in DAYS},
    }
    if hour is None:
        start = str(first)
    else:
        local = datetime.fromisoformat(f"{first} {hour}").replace(tzinfo=ZoneInfo(zone))
        start = local.astimezone(ZoneInfo("UTC")).strftime(FORMAT)
    return {"rule": rule, "tz": zone, "week_start": chance.choice([0, 0, 5, 6]), "start": start}


def random_graph(chance: random.Random) -> dict:
    first, hour = random_start(chance)
    kinds = ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
    pattern = {
        "type": chance.choice(kinds),
        "interval": chance.choice([1, 1, 1, 2, 2, 3, 12]),
        "daysOfWeek": chance.sample(NAMES, chance.choice([1, 1, 1, 2, 5, 7])),
        "firstDayOfWeek": chance.choice(["monday", "sunday", "saturday"]),
        "dayOfMonth": chance.choice([1, 10, 15, 28, 29, 30, 31]),
        "month": chance.choice([1, 2, 3, 6, 10, 12]),
        "index": chance.choice(["first", "second", "third", "fourth", "last"]),
    }
    span = {
        "type": chance.choice(["noEnd", "endDate", "numbered"]),
        "startDate": str(first),
        "endDate": str(first + timedelta(days=chance.randrange(400, 2000))),
        "numberOfOccurrences": chance.choice([1, 2, 10, 60, 720, 999]),
    }
    return {"recurrence": {"pattern": pattern, "range": span}, "zone": chance.choice(ZONES), "time": hour}


def same(theirs: list[str], ours: list[str], zone: str) -> bool:
    """Compares starts. Of a local time that occurs twice, Odoo means the second, graph-sim and
    iCalendar the first."""

    def said(text: str) -> str:
        if len(text) == len("2026-11-22"):
            return text
        at = datetime.strptime(text, FORMAT).replace(tzinfo=ZoneInfo("UTC"))
        return str(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0))

    return len(theirs) == len(ours) and all(a == b or said(a) == said(b) for a, b in zip(theirs, ours, strict=True))


def check_in_graph_sim(answers: list[dict], zones: list[str]) -> int:
    """Compares graph-sim's expansion with the service's. Returns how many were compared."""
    sayable = [(answer, zone) for answer, zone in zip(answers, zones, strict=True) if "start" in answer["graph"]]
    expanded = graph_sim([answer["graph"] for answer, _zone in sayable])
    for (answer, zone), theirs in zip(sayable, expanded, strict=True):
        ours = answer["occurrences"]
        if len(ours[0]) == len("2026-11-22"):
            theirs = [start[:10] for start in theirs]
        # One is limited by the window, the other by 720 occurrences.
        shared = min(len(theirs), len(ours))
        until = str(day(answer["graph"]) + timedelta(days=366 * YEARS - 2))
        assert len(theirs) >= len([start for start in ours if start < until]), answer["graph"]["recurrence"]
        assert len(ours) == 720 or len(theirs) <= len(ours), answer["graph"]["recurrence"]
        assert same(theirs[:shared], ours[:shared], zone), (answer["graph"], theirs[:5], ours[:5])
    return len(sayable)


def check_in_odoo(site: Site, answers: list[dict]) -> int:
    """Compares Odoo's expansion of the rule that the service would write with the service's dates."""
    sayable = [answer for answer in answers if "rule" in answer["odoo"]]
    for answer, theirs in zip(sayable, site.expand([answer["odoo"] for answer in sayable]), strict=True):
        ours = answer["occurrences"]
        # Odoo's limit of 720 also counts dates of the first week or month before the start.
        assert len(theirs[:720]) == len(ours) or (len(ours) == 720 and len(theirs) > 720 - 31), answer["odoo"]
        shared = min(len(theirs), 720)
        assert theirs[:shared] == ours[:shared], (answer["odoo"], theirs[:5], ours[:5])
    return len(sayable)


def test_rules_of_odoo(site: Site, chance: random.Random, note: Callable[[str], None]):
    rules = [random_odoo(chance) for _ in range(RULES)]
    rules.sort(key=lambda rule: rule["week_start"])
    expanded = site.expand(rules)
    answers = service([{"odoo": rule} for rule in rules])
    # This compares with Odoo as it is, including its own faults.
    for rule, answer, theirs in zip(rules, answers, expanded, strict=True):
        if answer["occurrences"]:
            assert answer["expansion"] == theirs[:720], (rule, theirs[:5], answer["expansion"][:5])
    some = [
        (rule, answer, theirs)
        for rule, answer, theirs in zip(rules, answers, expanded, strict=True)
        if answer["occurrences"]
    ]
    reasons = Counter(answer["odoo"]["reason"] for _rule, answer, _theirs in some if "reason" in answer["odoo"])
    print(reasons)
    # If Odoo expands a rule correctly, the service's dates are those of Odoo. A few rules that
    # begin in the night of a change of the clock are expanded at another hour.
    at_another_hour = sum(count for reason, count in reasons.items() if "another hour" in reason)
    assert at_another_hour < len(some) * 0.005, reasons
    assert all("UTC" in reason or "another hour" in reason for reason in reasons), reasons
    back = check_in_odoo(site, [answer for _rule, answer, _theirs in some])
    assert back > len(some) * 0.8, "few rules are hit by Odoo's counting in UTC"
    shown = check_in_graph_sim([answer for _rule, answer, _theirs in some], [rule["tz"] for rule, _, _ in some])
    unsayable = Counter(answer["graph"].get("reason", "") for _, answer, _ in some if "reason" in answer["graph"])
    print(unsayable)
    assert shown > len(some) * 0.8
    # And back to Odoo, from Graph's form.
    questions = [
        {
            "graph": {
                "recurrence": answer["graph"]["recurrence"],
                "zone": rule["tz"],
                "time": local_time(answer["graph"]),
            }
        }
        for rule, answer, _theirs in some
        if "start" in answer["graph"]
    ]
    origin = [answer for _rule, answer, _theirs in some if "start" in answer["graph"]]
    for before, after, question in zip(origin, service(questions), questions, strict=True):
        assert same(before["occurrences"], after["occurrences"], question["graph"]["zone"]), question
    compared = sum(len(answer["occurrences"]) for answer in origin)
    note(
        f"of {RULES} random rules of Odoo {len(some)} have occurrences; {back} said to Odoo again, {shown} to Graph "
        f"and back: {compared} occurrences compared"
    )


def local_time(event: dict) -> str | None:
    return None if event["isAllDay"] else event["start"]["dateTime"][11:]


def test_rules_of_graph(site: Site, chance: random.Random, note: Callable[[str], None]):
    rules = [random_graph(chance) for _ in range(RULES)]
    answers = service([{"graph": rule} for rule in rules])
    reasons = Counter(answer["graph"]["reason"] for answer in answers if "reason" in answer.get("graph", {}))
    assert not reasons, "what Graph has said it can be told"
    # Without those that begin in an hour that daylight saving skips: no calendar can express such a
    # start.
    some = [
        (rule, answer)
        for rule, answer in zip(rules, answers, strict=True)
        if answer["occurrences"] and local_time(answer["graph"]) == rule["time"]
    ]
    assert len(some) > RULES * 0.9
    shown = check_in_graph_sim([answer for _rule, answer in some], [rule["zone"] for rule, _answer in some])
    assert shown == len(some)
    print(Counter(answer["odoo"].get("reason", "said") for _rule, answer in some))
    in_odoo = check_in_odoo(site, [answer for _rule, answer in some])
    assert in_odoo > len(some) * 0.5
    # And back to Graph, from Odoo's form.
    said = [(rule, answer) for rule, answer in some if "rule" in answer["odoo"]]
    home = service([{"odoo": answer["odoo"]} for _rule, answer in said])
    for (rule, before), after in zip(said, home, strict=True):
        # Odoo makes 720 occurrences at most.
        shared = min(len(before["occurrences"]), len(after["occurrences"]))
        assert shared == len(before["occurrences"]) or shared > 720 - 31, rule
        assert same(before["occurrences"][:shared], after["occurrences"][:shared], rule["zone"]), rule
    assert check_in_graph_sim(home, [rule["zone"] for rule, _answer in said]) == len(said)
    compared = sum(len(answer["occurrences"]) for _rule, answer in some)
    note(
        f"of {RULES} random rules of Graph {len(some)} begin at an hour that exists; {in_odoo} said to Odoo and back: "
        f"{compared} occurrences compared"
    )
