"""The same calls to Odoo and to the service: the HTTP status, the envelope, the names of errors and the
types of results are the same, call by call. What differs is declared here and in docs/dialect.md."""

from collections.abc import Callable
from dataclasses import dataclass
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
def sides(make_stack: Callable[..., Stack], tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    stack = make_stack()
    ann = stack.add_user("Ann Archer", "ann@contoso.example", "ann")
    stack.pair()
    stack.connect(ann)
    admin = stack.odoo.admin
    eventually(lambda: admin.execute(ACCOUNT, "search_count", []) == 1, message="Odoo shows the account")
    script = tmp_path_factory.mktemp("scripts") / "make_key.py"
    script.write_text(MAKE_KEY)
    key = stack.odoo.run_script(script, uid=admin.uid)
    odoo = Side(stack.odoo.url, stack.odoo.database, admin.uid, key, admin.password)
    key = stack.service.run("keys", "create", "--name", "comparison").strip()
    return odoo, Side(stack.service.url, stack.odoo.database, 1, key, key)


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
