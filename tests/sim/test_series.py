"""Compares the simulator's series with Python's dateutil, over thousands of random patterns.

The seed is new in each run and printed if something differs. `SERIES_SEED=n` repeats a run, and
`SERIES_COUNT=n` sets the number of patterns.
"""

import itertools
import json
import os
import random
import secrets
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule

from tools.stack import paths

COUNT = int(os.environ.get("SERIES_COUNT") or 5000)
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
INDEX = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
KINDS = ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"]
RANGES = ["noEnd", "endDate", "numbered"]
# The zone as sent to Graph, and its name in the tz database: Windows and IANA names, both
# hemispheres, and odd offsets.
ZONES = {
    "UTC": "UTC",
    "Europe/Brussels": "Europe/Brussels",
    "W. Europe Standard Time": "Europe/Berlin",
    "GMT Standard Time": "Europe/London",
    "Pacific Standard Time": "America/Los_Angeles",
    "America/New_York": "America/New_York",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "Australia/Lord_Howe": "Australia/Lord_Howe",
    "New Zealand Standard Time": "Pacific/Auckland",
    "India Standard Time": "Asia/Kolkata",
    "Asia/Tokyo": "Asia/Tokyo",
    "America/St_Johns": "America/St_Johns",
}


@dataclass(frozen=True)
class Series:
    zone: str
    all_day: bool
    start: datetime
    """Wall clock, as written."""
    length: timedelta
    kind: str
    interval: int
    days: tuple[str, ...]
    first_day: str | None
    day_of_month: int
    month: int
    index: str | None
    range: str
    end_date: date
    count: int
    window: tuple[datetime, datetime]

    def event(self) -> dict:
        """Returns the event as a client would POST it."""
        pattern: dict = {"type": self.kind, "interval": self.interval}
        if self.kind in ("weekly", "relativeMonthly", "relativeYearly"):
            pattern["daysOfWeek"] = list(self.days)
        if self.kind == "weekly" and self.first_day:
            pattern["firstDayOfWeek"] = self.first_day
        if self.kind.startswith("absolute"):
            pattern["dayOfMonth"] = self.day_of_month
        if self.kind.endswith("Yearly"):
            pattern["month"] = self.month
        if self.kind.startswith("relative") and self.index:
            pattern["index"] = self.index
        bounds: dict = {"type": self.range, "startDate": self.start.date().isoformat()}
        if self.range == "endDate":
            bounds["endDate"] = self.end_date.isoformat()
        if self.range == "numbered":
            bounds["numberOfOccurrences"] = self.count

        def moment(at: datetime) -> dict:
            return {"dateTime": at.isoformat(), "timeZone": self.zone}

        return {
            "subject": "Series",
            "isAllDay": self.all_day,
            "start": moment(self.start),
            "end": moment(self.start + self.length),
            "recurrence": {"pattern": pattern, "range": bounds},
        }

    def rule(self) -> rrule.rrule:
        """Returns the same series in the terms of RFC 5545, in local time."""
        options: dict = {"dtstart": self.start, "interval": self.interval}
        weekdays = [rrule.weekday(DAYS.index(day)) for day in self.days]
        if self.kind == "daily":
            frequency = rrule.DAILY
        elif self.kind == "weekly":
            frequency = rrule.WEEKLY
            options |= {"byweekday": weekdays, "wkst": rrule.weekday(DAYS.index(self.first_day or "sunday"))}
        else:
            frequency = rrule.MONTHLY if self.kind.endswith("Monthly") else rrule.YEARLY
            if self.kind.endswith("Yearly"):
                options["bymonth"] = self.month
            if self.kind.startswith("absolute"):
                # In a month without that day, the last day counts (MS-OXOCAL 2.2.1.44.1.3, Month).
                options |= {"bymonthday": range(min(self.day_of_month, 28), self.day_of_month + 1), "bysetpos": -1}
            else:
                options |= {"byweekday": weekdays, "bysetpos": INDEX[self.index or "first"]}
        if self.range == "endDate":
            options["until"] = datetime.combine(self.end_date, time.max)
        if self.range == "numbered":
            options["count"] = self.count
        return rrule.rrule(frequency, **options)

    def instant(self, wall: datetime) -> datetime:
        """Converts to UTC. A skipped local time shifts forward, a repeated one is the first (fold=0
        in PEP 495)."""
        zone = UTC if self.all_day else ZoneInfo(ZONES[self.zone])
        return wall.replace(tzinfo=zone).astimezone(UTC)

    def is_on_the_clock(self) -> bool:
        """Whether no start or end is a skipped local time. Graph would store another time and
        repeat that."""
        zone = ZoneInfo(ZONES[self.zone])
        ends = [self.start, self.start + self.length]
        return self.all_day or all(self.instant(at).astimezone(zone).replace(tzinfo=None) == at for at in ends)

    def occurrences(self) -> list[tuple[datetime, datetime]]:
        """Returns start and end in UTC of the occurrences that overlap the window."""
        begin, close = self.window
        found = []
        for wall in self.rule():
            if wall.replace(tzinfo=UTC) > close + timedelta(days=2):
                break
            start, end = self.instant(wall), self.instant(wall + self.length)
            if start < close and (end > begin or start == end == begin):
                found.append((start, end))
        return found


def draw(luck: random.Random) -> Series:
    all_day = luck.random() < 0.2
    day = date(2024, 1, 1) + timedelta(days=luck.randrange(365 * 8))
    # Half of the starts are in the hours that daylight saving skips or repeats.
    hour = luck.choice([luck.randrange(24), luck.choice([0, 1, 2, 3])])
    clock = time() if all_day else time(hour, luck.choice([0, 15, 30, 59]))
    whole_days = timedelta(days=luck.randint(1, 3))
    length = whole_days if all_day else timedelta(minutes=luck.choice([0, 30, 60, 90, 300, 1440]))
    kind = luck.choice(KINDS)
    interval = luck.randint(1, 40) if luck.random() < 0.25 else luck.randint(1, 4)
    begin = datetime.combine(day, time(), UTC) + timedelta(days=luck.choice([-7, 0, luck.randrange(2000)]))
    return Series(
        zone=luck.choice(list(ZONES)),
        all_day=all_day,
        start=datetime.combine(day, clock),
        length=length,
        kind=kind,
        interval=interval,
        days=tuple(luck.sample(DAYS, luck.choice([1, 1, 2, 3, 5, 7]))),
        first_day=luck.choice([None, *DAYS]),
        day_of_month=luck.choice([luck.randint(1, 31), 28, 29, 30, 31]),
        month=luck.choice([luck.randint(1, 12), 2]),
        index=luck.choice([None, *INDEX]),
        range=luck.choice(RANGES),
        end_date=day + timedelta(days=luck.choice([luck.randrange(60), luck.randrange(2500)])),
        count=luck.choice([1, luck.randint(1, 20), luck.randint(1, 400)]),
        window=(begin, begin + timedelta(days=luck.choice([1, 31, 365, 1825]))),
    )


def expand(questions: list[Series]) -> list[dict]:
    """Returns the simulator's occurrences of each series."""
    lines = [
        json.dumps({"event": one.event(), "from": one.window[0].isoformat(), "to": one.window[1].isoformat()})
        for one in questions
    ]
    done = subprocess.run(
        [paths.binary("graph-sim"), "expand"], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def expected(series: Series) -> dict:
    first = list(itertools.islice(series.rule(), 60))
    if not first:
        return {"error": "ErrorInvalidRecurrenceRange"}
    if any(series.length > later.date() - earlier.date() for earlier, later in itertools.pairwise(first)):
        return {"error": "ErrorOccurrenceTimeSpanTooBig"}
    return {"occurrences": [tuple(f"{at:%Y-%m-%dT%H:%M:%S}" for at in pair) for pair in series.occurrences()]}


def told(answer: dict) -> dict:
    if "error" in answer:
        return {"error": answer["error"]["code"]}
    return {"occurrences": [tuple(at[:19] for at in pair) for pair in answer["occurrences"]]}


def test_random_series() -> None:
    seed = int(os.environ.get("SERIES_SEED") or secrets.randbits(32))
    print(f"SERIES_SEED={seed}")
    luck = random.Random(seed)
    questions: list[Series] = []
    while len(questions) < COUNT:
        one = draw(luck)
        if one.is_on_the_clock():
            questions.append(one)
    answers = expand(questions)
    assert len(answers) == len(questions)
    counted = 0
    for number, (series, answer) in enumerate(zip(questions, answers, strict=True)):
        theirs, ours = expected(series), told(answer)
        counted += len(theirs.get("occurrences", []))
        if ours != theirs:
            pytest.fail(
                f"SERIES_SEED={seed}, series {number}: {series}\n{series.event()}\ndateutil: {theirs}\nhere: {ours}"
            )
    # The comparison is worthwhile: there are occurrences of each kind and range.
    assert counted > 5 * COUNT
    assert {(s.kind, s.range) for s in questions} == {(kind, end) for kind in KINDS for end in RANGES}
