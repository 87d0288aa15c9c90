# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

import re
from functools import reduce

import pytz
from babel.dates import get_day_names, get_month_names

from odoo import fields
from odoo.tools import babel_locale_parse, format_date, format_list, format_time, formatLang, get_lang

from ..sentences import SENTENCES

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class UnknownSentence(Exception):
    """The service has another version, and knows sentences that this one does not."""


def render(env, words, fallback):
    """Returns a sentence of the service in the language and the time zone of ``env``, or its English
    text ``fallback`` if the service sent no sentence, or one that is not known here."""
    if not words or isinstance(words, str):
        return fallback
    try:
        return Reader(env).arg(words)
    except (UnknownSentence, AttributeError, IndexError, KeyError, TypeError, ValueError):
        # whatever another version may have sent
        return fallback


# What the service sends of a time and the like, and who says it.
KINDS = {
    frozenset(("time",)): "moment",
    frozenset(("start", "end", "zone")): "span",
    frozenset(("date",)): "day",
    frozenset(("weekdays",)): "weekdays",
    frozenset(("month",)): "month",
}


class Reader:
    """Who reads: their language, its formats and their time zone."""

    def __init__(self, env):
        self.env = env
        self.locale = babel_locale_parse(get_lang(env).code)

    def sentence(self, words):
        args = {name: self.arg(value) for name, value in words["args"].items()}
        return self.say(words["code"], args)

    def say(self, code, args):
        template = SENTENCES.get(code)
        if template is None:
            raise UnknownSentence(code)
        text = self.env._(template)
        if set(PLACEHOLDER.findall(text)) != args.keys():
            raise UnknownSentence(code)
        return text % args if args else text

    def arg(self, value):
        if isinstance(value, str):
            return value
        if isinstance(value, int):
            return formatLang(self.env, value, digits=0)
        if isinstance(value, list):
            parts = [self.arg(part) for part in value]
            return reduce(self.listed, parts) if parts else ""
        if value.keys() == {"code", "args"}:
            return self.sentence(value)
        return getattr(self, KINDS[frozenset(value)])(**value)

    def listed(self, first, second):
        return self.say("listed", {"first": first, "second": second})

    def day(self, date):
        return format_date(self.env, fields.Date.to_date(date))

    def moment(self, time):
        return f"{self.day(self.local(time).date())} {self.clock(time)}"

    def clock(self, time):
        return format_time(self.env, self.local(time).time(), time_format="short")

    def span(self, start, end, zone):
        """The reader's time zone counts, and not the one in which the event was written."""
        is_one_day = self.local(start).date() == self.local(end).date()
        until = self.clock(end) if is_one_day else self.moment(end)
        return self.say("from_to", {"start": self.moment(start), "end": until})

    def local(self, time):
        return pytz.utc.localize(fields.Datetime.to_datetime(time)).astimezone(self.env.tz)

    def weekdays(self, weekdays):
        names = get_day_names("wide", "stand-alone", self.locale)
        return format_list(self.env, [names[day] for day in weekdays])

    def month(self, month):
        return get_month_names("wide", "format", self.locale)[month]
