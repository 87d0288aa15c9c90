"""Random domains, orders and groups, asked of a real Odoo and of the service on the same rows: both
find the same ids, and refuse the same. What differs is declared here and in docs/dialect.md."""

import os
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg2.extras
import pytest
import requests
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from tools.stack import Stack
from tools.stack.odoo import RpcError

EXAMPLES = int(os.environ.get("DOMAIN_EXAMPLES", "40"))
# Only a change can make the short run fail. The long one tries other domains each time.
PROPERTY = settings(
    max_examples=EXAMPLES,
    derandomize="DOMAIN_EXAMPLES" not in os.environ,
    print_blob=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TEXTS = [
    *("", "a", "A", "ab", "b", "a b", " a ", "ä", "Ä", "straße", "STRASSE", "İstanbul", "日本", "😀"),
    *("100%", "a_b", "a\\b", "%", "_", "\\", "it's", '"', "a\nb", "5", "5.5", "True", "False", "None", "x" * 70),
]
NOW = datetime(2026, 11, 22, 10, 0, 0)
TIMES = [NOW + timedelta(seconds=seconds) for seconds in (0, 1, -1, 50_400, 50_399, -36_000, 9_000_000, -9_000_000)]
IDS = list(range(2, 9))


def text_of(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class Model:
    """A model of the service, and the fields of the one in Odoo that has the same rows."""

    name: str
    table: str
    # The kind of each field: id, many2one, integer, char, boolean, datetime.
    kinds: dict[str, str]
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def in_odoo(self) -> str:
        return f"x_{self.table}"


def journal(dice: random.Random) -> Model:
    kinds = {"id": "id", "time": "datetime", "mails": "integer", "user_id": "many2one", "organizer_id": "many2one"}
    kinds |= {"res_id": "many2one", "can_take_other": "boolean"}
    kinds |= dict.fromkeys(("level", "title", "message", "side", "key", "conflict_field"), "char")
    made = Model("outlook.bridge.journal", "line", kinds)
    for number in range(1, 61):
        made.rows.append(
            {
                "id": number,
                "time": text_of(dice.choice(TIMES)),
                "mails": dice.choice([0, 0, 1, 2, 5, 12]),
                "user_id": dice.choice([None, *IDS]),
                "organizer_id": dice.choice([None, None, *IDS]),
                "res_id": dice.choice([None, *IDS]),
                "can_take_other": dice.choice([True, False]),
                "level": dice.choice(["info", "warning", "error"]),
                # What is empty is absent, as in Odoo.
                "title": dice.choice(TEXTS) or None,
                "message": dice.choice(TEXTS[1:]),
                "side": dice.choice([None, "odoo", "outlook"]),
                "key": dice.choice([None, *TEXTS[1:]]),
                "conflict_field": dice.choice([None, "name", "Name"]),
            }
        )
    return made


def meetings(dice: random.Random) -> Model:
    kinds = {"id": "id", "start": "datetime", "user_id": "many2one", "is_series": "boolean"}
    kinds |= dict.fromkeys(("title", "key"), "char")
    made = Model("outlook.bridge.meeting", "meeting", kinds)
    for number in range(1, 41):
        key = dice.choice([None, *TEXTS[1:]])
        made.rows.append(
            {
                "id": number,
                "start": dice.choice([None, *map(text_of, TIMES)]),
                "user_id": dice.choice([None, *IDS]),
                "is_series": key is not None,
                "title": dice.choice([None, *TEXTS[1:]]),
                "key": None if key is None else f"{key}{number}",
            }
        )
    return made


MODELS = [make(random.Random(20261128)) for make in (journal, meetings)]


@dataclass(frozen=True)
class Refused:
    """An error, by its name."""

    name: str


@dataclass
class Sides:
    """Both, with the same rows."""

    stack: Stack
    key: str

    def of_odoo(self, model: Model, method: str, *args: Any, **kwargs: Any) -> Any:
        kwargs["context"] = {"lang": "en_US", "tz": "UTC"}
        try:
            return self.stack.odoo.admin.execute(model.in_odoo, method, *args, **kwargs)
        except RpcError as error:
            return Refused(error.name)

    def of_service(self, model: Model, method: str, **kwargs: Any) -> Any:
        session = requests.Session()
        session.trust_env = False
        answer = session.post(
            f"{self.stack.service.url}/json/2/{model.name}/{method}",
            json=kwargs,
            headers={"Authorization": f"Bearer {self.key}", "X-Odoo-Database": "odoo"},
            timeout=60,
        )
        if answer.status_code == 200:
            return answer.json()
        # Odoo answers with 500 to what is not a domain, and the service never.
        assert answer.status_code == 422, (answer.status_code, answer.text)
        return Refused(answer.json()["name"])


def make_models(stack: Stack) -> None:
    """Makes the models in Odoo, which have the service's fields with an `x_` before them."""
    admin = stack.odoo.admin
    group = admin.search_read("ir.model.data", [["name", "=", "group_user"], ["module", "=", "base"]], ["res_id"])

    def make(name: str, fields: list[dict[str, Any]]) -> None:
        values = {"name": name, "model": name, "field_id": [[0, 0, one] for one in fields]}
        [made] = admin.execute("ir.model", "create", [values])
        rights = dict.fromkeys(("perm_read", "perm_write", "perm_create", "perm_unlink"), True)
        admin.create("ir.model.access", name=name, model_id=made, group_id=group[0]["res_id"], **rights)

    make("x_person", [{"name": "x_note", "ttype": "char", "field_description": "A note"}])
    stack.odoo.query("INSERT INTO x_person (id) SELECT unnest(%s)", IDS)
    for model in MODELS:
        fields = []
        for name, kind in model.kinds.items():
            if kind != "id":
                more = {"relation": "x_person", "on_delete": "set null"} if kind == "many2one" else {}
                fields.append({"name": f"x_{name}", "ttype": kind, "field_description": name, **more})
        make(model.in_odoo, fields)
        names = [name if name == "id" else f"x_{name}" for name in model.kinds]
        insert(stack, stack.odoo.database, model.in_odoo, names, [list(row.values()) for row in model.rows])


def insert(stack: Stack, database: str, table: str, names: list[str], rows: list[list[Any]]) -> None:
    with stack.server.cursor(database) as cursor:
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES %s"
        psycopg2.extras.execute_values(cursor, statement, rows)


def fill_service(stack: Stack, database_id: str) -> None:
    lines, events = MODELS
    names = ["database_id", "id", "at", "mails", "odoo_user_id", "organizer_id", "odoo_id", "conflict_other"]
    names += ["level", "title", "message", "side", "series_key", "conflict_field"]
    rows = []
    for row in lines.rows:
        values = dict(row)
        values["time"] += "+00"
        values["can_take_other"] = "{}" if row["can_take_other"] else None
        values["title"] = row["title"] or ""
        rows.append([database_id, *values.values()])
    bridge = stack.bridge_database
    stack.server.query(bridge, "DELETE FROM journal")
    insert(stack, bridge, "journal", names, rows)
    names = ["database_id", "id", "odoo_start", "organizer_id", "odoo_name", "series_key"]
    rows = []
    for row in events.rows:
        start = row["start"] and row["start"] + "+00"
        rows.append([database_id, row["id"], start, row["user_id"], row["title"], row["key"]])
    insert(stack, bridge, "meetings", names, rows)


@pytest.fixture(scope="module")
def sides(make_stack: Callable[..., Stack]) -> Iterator[Sides]:
    # Nothing of the add-on is needed: it has models of the same names.
    stack = make_stack(template="base")
    make_models(stack)
    service = stack.service
    # Its part is played by the call that it makes.
    pairing = {"name": "odoo", "base_url": stack.odoo.url, "series": "19.0"}
    answer = service.call(str(uuid.uuid4()), 2, service.enroll(), "outlook.bridge", "pair", **pairing).json()
    assert "result" in answer, answer
    key = service.run("keys", "create", "--name", "domains", "--read-only").strip()
    [(database_id,)] = stack.server.query(stack.bridge_database, "SELECT id FROM databases")
    fill_service(stack, database_id)
    yield Sides(stack, key)


# Values, most of them of the right type.
nothing = st.sampled_from([False, None])
texts = st.sampled_from(TEXTS)
patterns = st.text(alphabet="aAbBäÄ5%_\\ s", max_size=5).filter(lambda text: not text.endswith("\\")) | st.sampled_from(
    ["%a%", "a_", "%\\%%", "\\_%", "%", "%ß%", "_", "__%", "%İ%", "日%"]
)
numbers = st.sampled_from([0, 1, 2, 5, 12, -1, 2**31, -(2**40), 2**70])
fractions = st.sampled_from([0.5, 1.0, 1.5, -0.5, 1e20])
ids = st.sampled_from([*IDS, 1, 10, 20, 35, 50, 99, -3])
times = st.sampled_from(
    [
        *map(text_of, TIMES),
        *("2026-11-22", "2026-11-23", "2026-11-22T10:00:00", "2026-11-22 10:00", "2026-11-22 10:00:00.999"),
        *("2026-02-30", "2026-11-22 25:00:00", "2026-11-22 10:00:00+01:00", "yesterday", "5"),
    ]
)
LISTS: dict[str, st.SearchStrategy] = {
    "id": ids | nothing,
    "many2one": ids | nothing,
    "integer": numbers | nothing | st.sampled_from(["5", " 1 ", "", "x", 1.5]),
    "char": texts | nothing,
    "boolean": st.booleans() | nothing,
    "datetime": times | st.just(False),
}
VALUES: dict[str, st.SearchStrategy] = {
    "id": ids | ids | nothing | fractions | st.sampled_from(["5", "x"]),
    "many2one": ids | ids | nothing | fractions,
    "integer": numbers | numbers | nothing | fractions | st.sampled_from([True, "5", " 1 ", "", "x"]),
    "char": texts | patterns | nothing | st.sampled_from([0, 5, 5.5, True]),
    "boolean": st.booleans() | nothing | st.sampled_from([0, 1, "true", "no", "anything", ""]),
    "datetime": times | times | nothing | st.sampled_from([0, 5, True, ""]),
}
COMPARISONS = ["=", "!=", "<", "<=", ">", ">=", "in", "not in", "=?", "<>", "==", "IN"]
LIKES = ["like", "not like", "ilike", "not ilike", "=like", "not =like", "=ilike", "not =ilike", "ILIKE"]
NO_OPERATORS = ["child of", "===", "", "not", "any!"]


@st.composite
def conditions(draw: st.DrawFn, model: Model) -> list[Any]:
    name, kind = draw(st.sampled_from(list(model.kinds.items())))
    operator = draw(st.sampled_from([*COMPARISONS, *LIKES]))
    if draw(st.integers(0, 60)) == 0:
        name, operator = draw(
            st.sampled_from([("nothing_there", "="), ("", "="), (name, draw(st.sampled_from(NO_OPERATORS)))])
        )
    if operator.lower().endswith("like") and kind == "many2one":
        # Odoo compares the related record's name, which the service does not know.
        value = draw(nothing)
    elif operator.lower().endswith("like"):
        value = draw(patterns | texts.filter(lambda text: not text.endswith("\\")) | VALUES[kind])
    elif operator.lower() in ("in", "not in", "=", "!="):
        value = draw(st.lists(LISTS[kind], max_size=4) | VALUES[kind])
    else:
        value = draw(VALUES[kind])
    return [name, operator, value]


def domains(model: Model) -> st.SearchStrategy[list[Any]]:
    """Domains in prefix notation."""
    constants = st.sampled_from([[1, "=", 1], [0, "=", 1], [True, "=", True]])
    leaf = st.one_of(*[conditions(model)] * 9, constants).map(lambda condition: [condition])

    def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
        binary = st.builds(lambda sign, a, b: [sign, *a, *b], st.sampled_from("&|"), inner, inner)
        negated = inner.map(lambda a: ["!", *a])
        within = st.builds(lambda sign, a: [["id", sign, a]], st.sampled_from(["any", "not any"]), inner)
        return binary | binary | negated | within

    one = st.recursive(leaf, nested, max_leaves=6)
    # Several after each other are all meant.
    return st.lists(one, max_size=3).map(lambda parts: [term for part in parts for term in part])


def no_domains(model: Model) -> st.SearchStrategy[Any]:
    """What is not a domain, or hardly one."""
    terms = st.one_of(
        st.sampled_from(["&", "|", "!", "&&", "x", "", 7, None, True, [], {}, ["title"], ["title", "="]]),
        st.sampled_from([["title", "=", "a", 1], [5, "=", 5], [None, "=", 1], ["title", 5, "a"], [["title"], "=", 1]]),
        st.sampled_from([["id", "any", 5], ["id", "any", "x"], ["id", "any", [["&"]]], ["id", "any", False]]),
        conditions(model),
    )
    return st.lists(terms, max_size=4) | st.sampled_from(["x", "[]", 5, {}, {"a": 1}, True, False])


def in_odoo(term: Any) -> Any:
    """Returns a domain with the names that the fields have in Odoo."""
    match term:
        case ["id", "any" | "not any" as operator, value]:
            return ["id", operator, [in_odoo(one) for one in value] if isinstance(value, list) else value]
        case [str() as name, operator, value] if name not in ("id", "") and name not in "&|!":
            return [f"x_{name}", operator, value]
    return term


def translated(domain: Any) -> Any:
    return [in_odoo(term) for term in domain] if isinstance(domain, list) else domain


def leaves(domain: Any) -> list[list[Any]]:
    """Returns the conditions of a domain."""
    found = []
    for term in domain if isinstance(domain, list) else []:
        match term:
            case ["id", "any" | "not any", list() as value]:
                found += leaves(value)
            case [_, _, _]:
                found.append(term)
    return found


def within(domain: Any) -> list[list[Any]]:
    """Returns the conditions with `any`, at any depth."""
    found = []
    for term in domain if isinstance(domain, list) else []:
        match term:
            case ["id", "any" | "not any", value]:
                found += [term, *within(value)]
    return found


def combined(domain: list[Any], every: set[int], find: Callable[[list[Any]], set[int]]) -> set[int]:
    """Returns what a domain finds if each condition is answered by itself."""
    stack: list[set[int]] = []
    for term in reversed(domain):
        match term:
            case "&":
                stack.append(stack.pop() & stack.pop())
            case "|":
                stack.append(stack.pop() | stack.pop())
            case "!":
                stack.append(every - stack.pop())
            case ["id", "any" | "not any" as operator, value]:
                found = combined(value, every, find)
                stack.append(found if operator == "any" else every - found)
            case _:
                stack.append(find(term))
    return every.intersection(*stack)


def is_declared(sides: Sides, model: Model, domain: Any, ours: Any, odoos: Any) -> bool:
    """Returns whether docs/dialect.md says that this differs."""
    conditions = leaves(domain)
    alone = [sides.of_odoo(model, "search", [in_odoo(one)], order="id") for one in conditions]
    if isinstance(ours, Refused):
        # Odoo does not look at a condition that cannot change what is found.
        alone += [sides.of_odoo(model, "search", [in_odoo(one)], order="id") for one in within(domain)]
        return any(isinstance(one, Refused) for one in alone)
    if isinstance(odoos, Refused):
        # A backslash at the end of a pattern, which Odoo leaves to Postgres.
        return odoos.name == "psycopg2.errors.InvalidEscapeSequence"
    # Odoo compares the values of two conditions on one field with each other, before it compares
    # them with the field: there an empty text is not the same as no text, and 5 not the same as "5".
    names = [
        name for name, operator, _ in conditions if operator.lower().lstrip("not ") in ("=", "!=", "<>", "==", "in")
    ]
    if len(names) == len(set(names)) or any(isinstance(one, Refused) for one in alone):
        return False
    answers = {repr(one): set(found) for one, found in zip(conditions, alone, strict=True)}
    every = {row["id"] for row in model.rows}
    return set(ours) == combined(domain, every, lambda one: answers[repr(one)])


def check(sides: Sides, model: Model, domain: Any) -> None:
    odoos = sides.of_odoo(model, "search", translated(domain), order="id")
    ours = sides.of_service(model, "search", domain=domain, order="id")
    note(f"{domain}: Odoo finds {odoos}, and the service {ours}")
    if isinstance(ours, Refused) and isinstance(odoos, Refused):
        assert ours.name == "odoo.exceptions.UserError"
    elif ours != odoos:
        assert is_declared(sides, model, domain, ours, odoos)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.table)
def test_a_domain_finds_what_it_finds_in_odoo(sides: Sides, model: Model):
    @PROPERTY
    @given(domains(model))
    def run(domain: list[Any]) -> None:
        check(sides, model, domain)

    run()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.table)
def test_what_is_no_domain_is_refused_as_in_odoo(sides: Sides, model: Model):
    @PROPERTY
    @given(no_domains(model))
    def run(domain: Any) -> None:
        check(sides, model, domain)

    run()


@st.composite
def orders(draw: st.DrawFn, model: Model) -> str:
    directions = st.sampled_from(["", " asc", " desc", " DESC", " desc nulls last", " asc nulls first", " nulls first"])
    names = st.sampled_from(list(model.kinds))
    terms = draw(st.lists(st.tuples(names, directions), max_size=3))
    # Odoo leaves the order of equal rows open.
    words = [f"{name}{direction}" for name, direction in terms] + [draw(st.sampled_from(["id", "id desc"]))]
    if draw(st.integers(0, 12)) == 0:
        words.append(draw(st.sampled_from(["", "nothing_there", "id down", "id;", "id desc asc", "id nulls"])))
    return ",".join(words)


def ordered_in_odoo(order: str) -> str:
    return ",".join(word if word.startswith("id") or not word else f"x_{word}" for word in order.split(","))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.table)
def test_rows_are_sorted_and_paged_as_in_odoo(sides: Sides, model: Model):
    page = st.fixed_dictionaries(
        {},
        optional={
            "offset": st.sampled_from([0, 1, 5, 100, -1]),
            "limit": st.sampled_from([0, 1, 7, 100, -1, False, None]),
        },
    )

    @PROPERTY
    @given(domains(model), orders(model), page)
    def run(domain: list[Any], order: str, page: dict[str, Any]) -> None:
        odoos = sides.of_odoo(model, "search", translated(domain), order=ordered_in_odoo(order), **page)
        ours = sides.of_service(model, "search", domain=domain, order=order, **page)
        note(f"{domain}, {order}, {page}: Odoo finds {odoos}, and the service {ours}")
        if isinstance(odoos, Refused) or isinstance(ours, Refused):
            if not isinstance(odoos, Refused):
                # Odoo does not look at how nothing is sorted and paged.
                alone = sides.of_odoo(model, "search", [], order=ordered_in_odoo(order), **page)
                assert isinstance(alone, Refused) or is_declared(sides, model, domain, ours, odoos)
            else:
                assert isinstance(ours, Refused), (ours, odoos)
            return
        every = sides.of_odoo(model, "search", translated(domain), order="id")
        if sides.of_service(model, "search", domain=domain, order="id") == every:
            assert ours == odoos
            count = sides.of_odoo(model, "search_count", translated(domain))
            assert sides.of_service(model, "search_count", domain=domain) == count
        else:
            check(sides, model, domain)

    run()


AGGREGATES = {
    "integer": ["sum", "min", "max", "avg", "count", "count_distinct"],
    "many2one": ["count", "count_distinct", "array_agg"],
    "id": ["min", "max", "count", "count_distinct", "array_agg"],
    "datetime": ["min", "max", "count"],
    "char": ["count", "count_distinct"],
    "boolean": ["count", "count_distinct"],
}
PERIODS = ["hour", "day", "week", "month", "quarter", "year"]


@st.composite
def groupings(draw: st.DrawFn, model: Model) -> tuple[list[str], list[str]]:
    fields = [(name, kind) for name, kind in model.kinds.items() if kind != "id"]
    groupby = []
    for name, kind in draw(st.lists(st.sampled_from(fields), max_size=2, unique=True)):
        groupby.append(f"{name}:{draw(st.sampled_from(PERIODS))}" if kind == "datetime" else name)
    aggregates = ["__count"]
    for name, kind in draw(st.lists(st.sampled_from(list(model.kinds.items())), max_size=2, unique=True)):
        aggregates.append(f"{name}:{draw(st.sampled_from(AGGREGATES[kind]))}")
    if draw(st.integers(0, 20)) == 0:
        groupby.append(draw(st.sampled_from(["nothing_there", "title:day", "title:", ""])))
    if draw(st.integers(0, 20)) == 0:
        aggregates.append(draw(st.sampled_from(["title:sum", "mails:median", "nothing_there:sum", "title", ""])))
    return groupby, aggregates


def spec_in_odoo(spec: str) -> str:
    return spec if spec.startswith(("id", "__")) or not spec else f"x_{spec}"


def plain(value: Any) -> Any:
    """Returns the value of a group as the service has it: without the name that Odoo gives it."""
    match value:
        case [first, str()]:
            return first
        case False:
            return None
        # Odoo lists the values in the order in which it reads them.
        case list():
            return sorted(value, key=lambda one: (one is None, one))
        case float():
            return round(value, 6)
    return value


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.table)
def test_rows_are_grouped_as_in_odoo(sides: Sides, model: Model):
    @PROPERTY
    @given(domains(model), groupings(model))
    def run(domain: list[Any], grouping: tuple[list[str], list[str]]) -> None:
        groupby, aggregates = grouping
        names = [*map(spec_in_odoo, groupby)], [*map(spec_in_odoo, aggregates)]
        odoos = sides.of_odoo(model, "formatted_read_group", translated(domain), *names)
        # In the language of Odoo here, a week begins on Sunday.
        asked = {"domain": domain, "groupby": groupby, "aggregates": aggregates, "week_start": 7}
        ours = sides.of_service(model, "read_group", **asked)
        note(f"{domain}, {grouping}: Odoo answers {odoos}, and the service {ours}")
        if isinstance(ours, Refused) or isinstance(odoos, Refused):
            if not isinstance(odoos, Refused):
                alone = sides.of_odoo(model, "formatted_read_group", [], *names)
                assert isinstance(alone, Refused) or is_declared(sides, model, domain, ours, odoos)
            else:
                assert isinstance(ours, Refused)
            return
        every = sides.of_odoo(model, "search", translated(domain), order="id")
        if sides.of_service(model, "search", domain=domain, order="id") != every:
            check(sides, model, domain)
            return
        booleans = [number for number, name in enumerate(groupby) if model.kinds.get(name) == "boolean"]
        expected = []
        for row in odoos:
            values = [plain(row[name]) for name in (*names[0], *names[1])]
            for number in booleans:
                values[number] = bool(values[number])
            expected.append(values)
        assert [[plain(value) for value in row] for row in ours] == [
            [plain(value) for value in row] for row in expected
        ]

    run()
