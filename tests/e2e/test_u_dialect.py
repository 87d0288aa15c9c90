"""The same calls to Odoo and to the service: the HTTP status, the envelope, the names of errors and the
types of results are the same, call by call. What differs is declared here and in docs/dialect.md."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests

from tools.stack import Stack, eventually

ADMIN = "admin"
# Odoo's `/json/2` takes keys alone.
MAKE_KEY = """
import datetime

def run(env, given):
    expires = datetime.datetime.now() + datetime.timedelta(days=1)
    key = env["res.users.apikeys"].with_user(given["uid"])._generate("rpc", "a test", expires)
    env.cr.commit()
    return key
"""


@dataclass
class Side:
    """Odoo, or the service."""

    url: str
    database: str
    uid: int
    key: str
    # Odoo's sessions take no key, and the service's nothing else.
    password: str

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        return session.post(f"{self.url}{path}", json=body, timeout=60, **more)

    def rpc(self, service: str, method: str, *args: Any) -> requests.Response:
        return self.post("/jsonrpc", envelope(service=service, method=method, args=list(args)))

    def execute(self, model: str, method: str, *args: Any, key: str | None = None, **kwargs: Any) -> requests.Response:
        called = [self.database, self.uid, self.key if key is None else key, model, method, list(args), kwargs]
        return self.rpc("object", "execute_kw", *called)

    def json2(self, path: str, key: str | None = None, **kwargs: Any) -> requests.Response:
        headers = {"X-Odoo-Database": self.database}
        if key != "":
            headers["Authorization"] = f"Bearer {key or self.key}"
        return self.post(f"/json/2/{path}", kwargs, headers=headers)

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        login = envelope(db=self.database, login=ADMIN, password=self.password)
        answer = session.post(f"{self.url}/web/session/authenticate", json=login, timeout=60)
        assert answer.json()["result"]["uid"] == self.uid
        return session

    @cached_property
    def opened(self) -> requests.Session:
        return self.session()

    def in_session(self, path: str, **params: Any) -> requests.Response:
        return self.session().post(f"{self.url}{path}", json=envelope(**params), timeout=60)


def envelope(**params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "call", "id": 7, "params": params}


def kind(value: Any) -> Any:
    """Returns the type of a value: of a list, those of its items; of an object, those of its members."""
    match value:
        case list():
            return [kind(one) for one in value[:1]]
        case dict():
            return {name: kind(one) for name, one in sorted(value.items())}
        case _:
            return type(value).__name__


def shape(answer: requests.Response, result: Callable[[Any], Any] = kind) -> dict[str, Any]:
    """Returns what must be the same: not the words, and not Odoo's traceback."""
    body = answer.json()
    told: dict[str, Any] = {"status": answer.status_code, "type": answer.headers["Content-Type"].partition(";")[0]}
    error = body.get("error", body if answer.status_code >= 400 else None) if isinstance(body, dict) else None
    if isinstance(body, dict) and "jsonrpc" in body:
        told["envelope"] = {name: body[name] for name in ("jsonrpc", "id")} | {"members": sorted(body)}
        if error:
            told["error"] = {"code": error["code"], "message": error["message"], "members": sorted(error)}
            error = error["data"]
    if error:
        told["data"] = {"name": error["name"], "members": sorted(error), "types": kind(error["arguments"])}
        assert isinstance(error["message"], str)
    else:
        told["result"] = result(body.get("result") if "envelope" in told else body)
    return told


def members(*names: str) -> Callable[[Any], Any]:
    """Compares only these members: Odoo tells its web client more."""
    return lambda value: {name: kind(value[name]) for name in names}


def is_there(value: Any) -> bool:
    return value is not None


Call = Callable[[Side], requests.Response]
ACCOUNT = "outlook.bridge.account"
USERS = "res.users"
RESET = "microsoft.calendar.account.reset"
VERSION = members("server_version", "server_version_info", "server_serie", "protocol_version")
INFO = members("uid", "is_system", "is_admin", "is_public", "is_internal_user", "db", "username", "server_version")

# A name, the call, and how the result is compared.
CALLS: list[tuple[str, Call, Callable[[Any], Any]]] = [
    ("version", lambda s: s.rpc("common", "version"), VERSION),
    ("about", lambda s: s.rpc("common", "about"), kind),
    ("about, extended", lambda s: s.rpc("common", "about", True), kind),
    ("login", lambda s: s.rpc("common", "login", s.database, ADMIN, s.key), kind),
    ("authenticate", lambda s: s.rpc("common", "authenticate", s.database, ADMIN, s.key, {}), kind),
    ("a wrong login", lambda s: s.rpc("common", "login", s.database, ADMIN, "wrong"), kind),
    ("another's key", lambda s: s.rpc("common", "login", s.database, "somebody", s.key), kind),
    ("execute", lambda s: s.rpc("object", "execute", s.database, s.uid, s.key, ACCOUNT, "search_count", []), kind),
    ("search", lambda s: s.execute(ACCOUNT, "search", []), kind),
    ("search_count", lambda s: s.execute(ACCOUNT, "search_count", []), kind),
    ("search_read", lambda s: s.execute(ACCOUNT, "search_read", [], ["login"]), kind),
    ("a context", lambda s: s.execute(ACCOUNT, "search_count", [], context={"lang": "en_US"}), kind),
    ("no such domain", lambda s: s.execute(ACCOUNT, "search", [["id", "=", -1]]), kind),
    ("context_get", lambda s: s.execute(USERS, "context_get"), members("lang", "uid")),
    ("credentials", lambda s: s.execute(USERS, "check_calendar_credentials"), members("microsoft_calendar")),
    (
        "status",
        lambda s: s.execute(USERS, "check_synchronization_status", [s.uid]),
        members("microsoft_calendar"),
    ),
    ("a wizard", lambda s: s.execute(RESET, "create", {"user_id": s.uid}), kind),
    ("wizards", lambda s: s.execute(RESET, "create", [{"user_id": s.uid}]), kind),
    (
        "defaults",
        lambda s: s.execute(RESET, "default_get", ["delete_policy", "sync_policy"]),
        members("delete_policy", "sync_policy"),
    ),
    ("a wrong key", lambda s: s.execute(USERS, "context_get", key="wrong"), kind),
    ("no key", lambda s: s.execute(USERS, "context_get", key=""), kind),
    ("a private method", lambda s: s.execute(USERS, "_is_admin", [1]), kind),
    ("no such wizard", lambda s: s.execute(RESET, "reset_account", [987_654]), kind),
    ("json2", lambda s: s.json2(f"{ACCOUNT}/search_count", domain=[]), kind),
    ("json2, rows", lambda s: s.json2(f"{ACCOUNT}/search_read", domain=[], fields=["login"]), kind),
    ("json2, of records", lambda s: s.json2(f"{USERS}/check_synchronization_status", ids=[s.uid]), is_there),
    ("json2, a private method", lambda s: s.json2(f"{USERS}/_is_admin", ids=[1]), kind),
    ("json2, no model", lambda s: s.json2("no.such.model/search"), kind),
    ("json2, no method", lambda s: s.json2(f"{ACCOUNT}/no_such_method"), kind),
    ("json2, no wizard", lambda s: s.json2(f"{RESET}/reset_account", ids=[987_654]), kind),
    ("version_info", lambda s: s.post("/web/webclient/version_info", envelope()), VERSION),
    (
        "a wrong login of a session",
        lambda s: s.post("/web/session/authenticate", envelope(db=s.database, login=ADMIN, password="wrong")),
        kind,
    ),
    (
        "a session",
        lambda s: s.post("/web/session/authenticate", envelope(db=s.database, login=ADMIN, password=s.password)),
        INFO,
    ),
    ("no session", lambda s: s.post("/web/session/get_session_info", envelope()), kind),
    (
        "a call without a session",
        lambda s: s.post("/web/dataset/call_kw", envelope(model=USERS, method="context_get", args=[], kwargs={})),
        kind,
    ),
    ("get_session_info", lambda s: s.in_session("/web/session/get_session_info"), INFO),
    ("check", lambda s: s.in_session("/web/session/check"), kind),
    ("destroy", lambda s: s.in_session("/web/session/destroy"), kind),
    (
        "call_kw",
        lambda s: s.in_session("/web/dataset/call_kw", model=ACCOUNT, method="search_count", args=[[]], kwargs={}),
        kind,
    ),
    (
        "a private method in a session",
        lambda s: s.in_session("/web/dataset/call_kw", model=USERS, method="_is_admin", args=[[1]], kwargs={}),
        kind,
    ),
]


@pytest.fixture(scope="module")
def paired(make_stack: Callable[..., Stack]) -> Stack:
    stack = make_stack()
    ann = stack.add_user("Ann Archer", "ann@contoso.example", "ann")
    stack.pair()
    stack.connect(ann)
    admin = stack.odoo.admin
    eventually(lambda: admin.execute(ACCOUNT, "search_count", []) == 1, message="Odoo shows the account")
    return stack


def key_of(stack: Stack, folder: Path, uid: int) -> str:
    script = folder / "make_key.py"
    script.write_text(MAKE_KEY)
    return stack.odoo.run_script(script, uid=uid)


@pytest.fixture(scope="module")
def sides(paired: Stack, tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    admin = paired.odoo.admin
    key = key_of(paired, tmp_path_factory.mktemp("scripts"), admin.uid)
    odoo = Side(paired.odoo.url, paired.odoo.database, admin.uid, key, admin.password)
    key = paired.service.run("keys", "create", "--name", "comparison").strip()
    return odoo, Side(paired.service.url, paired.odoo.database, 1, key, key)


@pytest.fixture(scope="module")
def limited(
    paired: Stack, sides: tuple[Side, Side], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Side, Side, Side]:
    """Ben in Odoo, by his key here, and an administrator's key for reading alone."""
    odoo, service = sides
    ben = paired.add_user("Ben Baker", "ben@contoso.example", "ben")
    paired.connect(ben)
    eventually(lambda: paired.odoo.admin.execute(ACCOUNT, "search_count", []) == 2, message="Odoo shows both")
    uid = paired.users["ben@contoso.example"]
    keys = [
        key_of(paired, tmp_path_factory.mktemp("scripts"), uid),
        paired.service.run("keys", "create", "--name", "ben", "--user", str(uid)).strip(),
        paired.service.run("keys", "create", "--name", "reader", "--read-only").strip(),
    ]
    return (
        Side(odoo.url, odoo.database, uid, keys[0], "ben"),
        Side(service.url, service.database, uid, keys[1], keys[1]),
        Side(service.url, service.database, 1, keys[2], keys[2]),
    )


# Odoo refuses these before it has read the request's id, and answers with the id null.
WITHOUT_ID = {"no session", "a call without a session"}


@pytest.mark.parametrize(("name", "call", "compared"), CALLS, ids=[name for name, *_ in CALLS])
def test_odoo_and_the_service_answer_alike(sides: tuple[Side, Side], name: str, call: Call, compared):
    odoo, service = sides
    ours, odoos = (shape(call(side), compared) for side in (service, odoo))
    if name in WITHOUT_ID:
        assert (ours["envelope"].pop("id"), odoos["envelope"].pop("id")) == (7, None)
    assert ours == odoos, name


# What docs/dialect.md declares, with the answers of both.
DIFFERENCES: list[tuple[str, Call, tuple, tuple]] = [
    (
        "json2, a wrong key",
        lambda s: s.json2(f"{USERS}/context_get", key="wrong"),
        (401, "werkzeug.exceptions.Unauthorized"),
        (401, "odoo.exceptions.AccessDenied"),
    ),
    (
        "no model",
        lambda s: s.execute("no.such.model", "search"),
        (200, "odoo.exceptions.UserError"),
        (200, "werkzeug.exceptions.NotFound"),
    ),
    (
        "no method",
        lambda s: s.execute(ACCOUNT, "no_such_method"),
        (200, "builtins.AttributeError"),
        (200, "werkzeug.exceptions.NotFound"),
    ),
    (
        "too many arguments",
        lambda s: s.execute(ACCOUNT, "search_count", [], 1, 2, 3),
        (200, "builtins.TypeError"),
        (200, "odoo.exceptions.UserError"),
    ),
]


@pytest.mark.parametrize(("name", "call", "of_odoo", "of_service"), DIFFERENCES, ids=[name for name, *_ in DIFFERENCES])
def test_what_differs_is_declared(sides: tuple[Side, Side], name: str, call: Call, of_odoo: tuple, of_service: tuple):
    found = []
    for side in sides:
        answer = call(side)
        body = answer.json()
        found.append((answer.status_code, body.get("error", {}).get("data", body)["name"]))
    assert found == [of_odoo, of_service], name


# Models of the service, and the models of Odoo that answer wrong calls as any model does.
LISTS = {
    ACCOUNT: USERS,
    "outlook.bridge.journal": "res.partner",
    "outlook.bridge.meeting": "calendar.event",
    "outlook.bridge.trouble": "res.country",
}
MODELS = {**LISTS, "ir.model": "ir.model"}
# `read_group` of the service answers in the form of `_read_group`, which has no address in Odoo.
GROUPS = {"read_group": "formatted_read_group"}
WIZARDS = (RESET, "res.config.settings")

# Why a call is wrong. With the name of Odoo's error, and whether Odoo's `/json/2` has found that the
# arguments are wrong (422), or has failed (500). The service says UserError and 422 to each.
SIGNATURE, FAILS = "builtins.TypeError", 500
WRONG_PAGES = [
    ("an unknown field in the domain", {"domain": [["nonsense", "=", 1]]}, "builtins.ValueError"),
    ("no such operator", {"domain": [["id", "~", 1]]}, "builtins.ValueError"),
    ("a condition of two", {"domain": [["id", "="]]}, "builtins.ValueError"),
    ("an operator alone", {"domain": ["|"]}, "builtins.ValueError"),
    ("no list as a domain", {"domain": 5}, "builtins.TypeError"),
    ("a text as a limit", {"limit": "x"}, "psycopg2.errors.InvalidTextRepresentation"),
    ("a list as a limit", {"limit": [1]}, "psycopg2.errors.DatatypeMismatch"),
    ("a negative limit", {"limit": -1}, "psycopg2.errors.InvalidRowCountInLimitClause"),
]
WRONG_OFFSETS = [
    ("a text as an offset", {"offset": "x"}, "psycopg2.errors.InvalidTextRepresentation"),
    ("a negative offset", {"offset": -1}, "psycopg2.errors.InvalidRowCountInResultOffsetClause"),
    ("an order by an unknown field", {"order": "nonsense"}, "builtins.ValueError"),
    ("a number as an order", {"order": 5}, "builtins.TypeError"),
]
WRONG_FIELDS = [("an unknown field", {"fields": ["nonsense"]}, "builtins.ValueError")]
WRONG_READS = [
    ("a text among the ids", {"ids": ["x"]}, "psycopg2.errors.InvalidTextRepresentation"),
    ("a number as fields", {"fields": 5}, "builtins.TypeError"),
    *WRONG_FIELDS,
]
WRONG_GROUPS = [
    ("a group by an unknown field", {"groupby": ["nonsense"]}, "builtins.ValueError"),
    ("an aggregate of an unknown field", {"aggregates": ["nonsense:sum"]}, "builtins.ValueError"),
    ("an unknown aggregate", {"aggregates": ["id:nonsense"]}, "builtins.ValueError"),
    ("an order by what is no group", {"groupby": ["id"], "order": "nonsense"}, "builtins.ValueError"),
]
# Of each method: a call that is right, and what makes it wrong.
METHODS: dict[str, tuple[dict[str, Any], list[tuple[str, dict[str, Any], str]]]] = {
    "search": ({"domain": []}, [*WRONG_PAGES, *WRONG_OFFSETS]),
    "search_count": ({"domain": []}, WRONG_PAGES),
    "search_read": ({"domain": [], "fields": ["id"]}, [*WRONG_PAGES, *WRONG_OFFSETS, *WRONG_FIELDS]),
    "read": ({"ids": [1]}, WRONG_READS),
    "read_group": ({"domain": []}, [*WRONG_PAGES[:5], *WRONG_GROUPS]),
    "fields_get": ({}, []),
}
# Without one of these, or with an argument that it does not know, Odoo does not call the method at all.
REQUIRED = {"search": "domain", "search_count": "domain", "read_group": "domain"}


def served(model: str) -> list[str]:
    return ["search", "search_read", "fields_get"] if model == "ir.model" else list(METHODS)


def wrong_calls() -> list[tuple[str, str, str, dict[str, Any], str, int]]:
    """Returns a name, the model, the method, its arguments, and the name and the status of Odoo's error."""
    found = []
    for model in MODELS:
        for method in served(model):
            right, wrong = METHODS[method]
            for why, arguments, error in wrong:
                found.append((why, model, method, right | arguments, error, FAILS))
            # `search_read` passes on what it does not know.
            status = FAILS if method == "search_read" else 422
            found.append(("an unknown argument", model, method, right | {"nonsense": 1}, SIGNATURE, status))
            if method in REQUIRED:
                left = {name: value for name, value in right.items() if name != REQUIRED[method]}
                found.append(("a missing argument", model, method, left, SIGNATURE, 422))
    found += [
        ("an unknown argument", USERS, method, {"nonsense": 1}, SIGNATURE, 422)
        for method in ("context_get", "check_calendar_credentials", "check_synchronization_status")
    ]
    of_one = [f"{verb}_microsoft_synchronization" for verb in ("stop", "restart")]
    found += [
        ("two users", USERS, method, {"ids": [1, 2]}, "builtins.ValueError", FAILS)
        for method in ("check_synchronization_status", *of_one)
    ]
    for model in WIZARDS:
        found.append(("no values", model, "create", {}, SIGNATURE, 422))
        values = {"vals_list": {"nonsense": 1}}
        found.append(("an unknown value", model, "create", values, "builtins.ValueError", FAILS))
        found.append(("no fields", model, "default_get", {}, SIGNATURE, 422))
        found.append(("an unknown argument", model, "fields_get", {"nonsense": 1}, SIGNATURE, 422))
    for name in ("delete_policy", "sync_policy"):
        values = {"vals_list": {"user_id": 2, name: "nonsense"}}
        found.append((f"no such {name}", RESET, "create", values, "builtins.ValueError", FAILS))
    found.append(("no user", RESET, "create", {"vals_list": {}}, "odoo.exceptions.ValidationError", 422))
    wrong = {"ids": [1], "fields": ["nonsense"]}
    found.append(("an unknown field", RESET, "read", wrong, "builtins.ValueError", FAILS))
    found.append(("no wizard", RESET, "reset_account", {"ids": []}, "builtins.ValueError", FAILS))
    found.append(("no wizard", "res.config.settings", "execute", {"ids": []}, "builtins.ValueError", FAILS))
    return found


WRONG_CALLS = wrong_calls()


def by_json2(side: Side, model: str, method: str, arguments: dict[str, Any]) -> tuple[int, str]:
    return error_of(side.json2(f"{model}/{method}", **arguments))


def positional(side: Side, method: str, arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Returns the arguments as the older doors take them: a method of records needs their ids first."""
    rest = dict(arguments)
    if method == "check_synchronization_status":
        rest.setdefault("ids", [side.uid])
    ids = [rest.pop("ids")] if "ids" in rest else []
    return ids, rest


def by_rpc(side: Side, model: str, method: str, arguments: dict[str, Any]) -> tuple[int, str]:
    ids, rest = positional(side, method, arguments)
    return error_of(side.execute(model, method, *ids, **rest))


def by_session(side: Side, model: str, method: str, arguments: dict[str, Any]) -> tuple[int, str]:
    ids, rest = positional(side, method, arguments)
    params = {"model": model, "method": method, "args": ids, "kwargs": rest}
    return error_of(side.opened.post(f"{side.url}/web/dataset/call_kw", json=envelope(**params), timeout=60))


def error_of(answer: requests.Response) -> tuple[int, str]:
    """Returns the status and the name of the error, of which everything but the words has the form of Odoo's."""
    body = answer.json()
    error = body.get("error", body) if isinstance(body, dict) else {}
    if "jsonrpc" in body and "error" in body:
        assert (error["code"], error["message"]) in [
            (0, "Odoo Server Error"),
            (404, "404: Not Found"),
            (100, "Odoo Session Expired"),
        ]
        error = error["data"]
    assert "name" in error, f"no error: {answer.status_code} {answer.text[:200]}"
    assert sorted(error) == ["arguments", "context", "debug", "message", "name"]
    return answer.status_code, error["name"]


@pytest.mark.parametrize(
    ("model", "method", "arguments", "error", "status"),
    [call[1:] for call in WRONG_CALLS],
    ids=[f"{model}.{method}, {why}" for why, model, method, *_ in WRONG_CALLS],
)
def test_a_wrong_call_is_refused_by_both(
    sides: tuple[Side, Side], model: str, method: str, arguments: dict[str, Any], error: str, status: int
):
    """On each door. The names differ as docs/dialect.md says: Odoo's are those of Python and Postgres."""
    odoo, service = sides
    theirs = (MODELS.get(model, model), GROUPS.get(method, method))
    # What is wrong with the arguments is a TypeError in Python, and has a name of its own on `/json/2`.
    on_json2 = "werkzeug.exceptions.UnprocessableEntity" if (error, status) == (SIGNATURE, 422) else error
    assert by_json2(odoo, *theirs, arguments) == (status, on_json2)
    assert by_json2(service, model, method, arguments) == (422, "odoo.exceptions.UserError")
    for door in (by_rpc, by_session):
        assert door(odoo, *theirs, arguments) == (200, error), door.__name__
        assert door(service, model, method, arguments) == (200, "odoo.exceptions.UserError"), door.__name__


@pytest.mark.parametrize("model", MODELS)
def test_doors_are_shut_alike(sides: tuple[Side, Side], model: str):
    """Without a key, with a wrong one, and where there is no such model or method."""
    odoo, service = sides
    for method in served(model):
        arguments = METHODS[method][0]
        theirs = f"{MODELS[model]}/{GROUPS.get(method, method)}"
        for key in ("", "wrong"):
            assert error_of(odoo.json2(theirs, key=key, **arguments)) == (401, "werkzeug.exceptions.Unauthorized")
            refused = error_of(service.json2(f"{model}/{method}", key=key, **arguments))
            assert refused == (401, "odoo.exceptions.AccessDenied")
            for side, named in ((odoo, MODELS[model]), (service, model)):
                refused = error_of(side.execute(named, "search", [], key=key))
                assert refused == (200, "odoo.exceptions.AccessDenied")
        missing = [error_of(side.json2(f"no.such.model/{method}", **arguments)) for side in sides]
        assert missing == [(404, "werkzeug.exceptions.NotFound")] * 2
    for side, named in ((odoo, MODELS[model]), (service, model)):
        assert error_of(side.json2(f"{named}/no_such_method")) == (404, "werkzeug.exceptions.NotFound")
        assert error_of(side.json2(f"{named}/_search", domain=[])) == (403, "odoo.exceptions.AccessError")


@pytest.mark.parametrize("model", MODELS)
def test_what_is_right_is_answered_alike(sides: tuple[Side, Side], model: str):
    """Each method on each door: the status, the envelope, and the type of what is answered."""
    odoo, service = sides
    for method in served(model):
        if method == "read_group":
            continue
        arguments = METHODS[method][0] | ({"ids": []} if method == "read" else {})
        found = []
        for side, named in ((odoo, MODELS[model]), (service, model)):
            by_keyword = side.json2(f"{named}/{method}", **arguments)
            ids, rest = positional(side, method, arguments)
            on_rpc = side.execute(named, method, *ids, **rest)
            types = [type(by_keyword.json()).__name__, type(on_rpc.json()["result"]).__name__]
            found.append((by_keyword.status_code, on_rpc.status_code, sorted(on_rpc.json()), types))
        assert found[0] == found[1], method


def test_records_that_are_missing_are_left_out(sides: tuple[Side, Side]):
    """Odoo repeats an id that does not exist if nothing but ids is asked for."""
    names = {ACCOUNT: "login", "outlook.bridge.journal": "title", "outlook.bridge.meeting": "title"}
    fields = {USERS: "login", "res.partner": "name", "calendar.event": "name"}
    odoo, service = sides
    for model, name in names.items():
        theirs = MODELS[model]
        for side, named, field in ((odoo, theirs, fields[theirs]), (service, model, name)):
            answer = side.json2(f"{named}/read", ids=[987_654], fields=[field])
            assert (answer.status_code, answer.json()) == (200, []), named
    for side in sides:
        answer = side.json2(f"{RESET}/read", ids=[987_654], fields=["delete_policy"])
        assert (answer.status_code, answer.json()) == (200, [])
        for path in (f"{RESET}/reset_account", "res.config.settings/execute"):
            assert error_of(side.json2(path, ids=[987_654])) == (404, "odoo.exceptions.MissingError"), path


def test_who_may_not_is_refused_alike(sides: tuple[Side, Side], limited: tuple[Side, Side, Side]):
    """A key of a user, and one for reading alone, in Odoo that of a user without rights."""
    odoo, service = sides
    of_odoo, of_user, for_reading = limited
    denied = (403, "odoo.exceptions.AccessError")
    for path, arguments in [
        ("res.config.settings/create", {"vals_list": {}}),
        ("res.config.settings/execute", {"ids": [1]}),
        (f"{USERS}/pause_microsoft_synchronization", {"ids": [odoo.uid]}),
        (f"{USERS}/stop_microsoft_synchronization", {"ids": [odoo.uid]}),
    ]:
        assert error_of(of_user.json2(path, **arguments)) == denied, path
        if "settings/create" in path:
            assert error_of(of_odoo.json2(path, **arguments)) == denied, path
    for path in ("res.config.settings/create", f"{USERS}/pause_microsoft_synchronization", f"{RESET}/create"):
        assert error_of(for_reading.json2(path)) == denied, path
    # What others have is not found by either. To ask for it by its id is an error in Odoo alone.
    for side, others in ((of_odoo, odoo), (of_user, service)):
        [own] = side.json2(f"{ACCOUNT}/search_read", domain=[], fields=["login"]).json()
        assert own["login"] == "ben@contoso.example"
        assert side.json2(f"{ACCOUNT}/search_count", domain=[]).json() == 1
        [anns] = others.json2(f"{ACCOUNT}/search", domain=[["login", "=", "ann@contoso.example"]]).json()
        answer = side.json2(f"{ACCOUNT}/read", ids=[anns], fields=["login"])
        if side is of_odoo:
            assert error_of(answer) == denied
        else:
            assert (answer.status_code, answer.json()) == (200, [])
