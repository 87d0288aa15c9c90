"""Mistakes of an administrator, a hostile page and a broken client are refused clearly, and change
nothing."""

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
import requests

from tools.stack import CLIENT_ID, CLIENT_SECRET, OdooClient, RpcError, Stack, eventually

from .site import ANN, BEN

# What bad input must not change. Without the nonces, as exchanges go on and each changes the nonce.
SETTLED = {
    "databases": "(uuid, name, base_url, key_hash, next_key_hash, poke_key, paused, quarantined)",
    "registrations": "registrations",
    "accounts": "accounts",
    "meetings": "meetings",
    "copies": "copies",
    "outlook_outbox": "outlook_outbox",
    "odoo_outbox": "odoo_outbox",
}


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A paired and configured site. Nobody is connected, so nothing changes by itself."""
    made = make_stack()
    made.add_user("Ann Archer", ANN, "ann")
    made.add_user("Ben Baker", BEN, "ben")
    made.pair()
    return made


def everything(stack: Stack) -> dict[str, list[tuple]]:
    """Returns everything that bad input must not change."""
    found = {
        table: stack.server.query(stack.bridge_database, f"SELECT {row}::text FROM {table} ORDER BY 1")
        for table, row in SETTLED.items()
    }
    found["events"] = stack.odoo.query("SELECT id, name, active, write_date FROM calendar_event ORDER BY id")
    found["parameters"] = stack.odoo.query(
        "SELECT key, value FROM ir_config_parameter WHERE key LIKE 'microsoft_calendar%' ORDER BY key"
    )
    return found


@pytest.fixture
def unchanged(stack: Stack) -> Iterator[None]:
    before = everything(stack)
    yield
    assert everything(stack) == before


def credentials(stack: Stack) -> tuple[str, str]:
    """Returns the database's uuid and API key, as Odoo stores them."""
    (database,) = stack.odoo.query("SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'")
    (key,) = stack.odoo.query("SELECT value FROM ir_config_parameter WHERE key = 'microsoft_calendar_bridge.key'")
    return database[0], key[0]


def odoo_error(answer: requests.Response, name: str) -> str:
    """Checks the form of an error, and returns its message."""
    assert answer.status_code == 200
    body = answer.json()
    assert body["jsonrpc"] == "2.0"
    assert "result" not in body
    data = body["error"]["data"]
    assert data["name"] == name, body
    assert data["message"]
    assert data["debug"] == ""
    assert isinstance(data["arguments"], list)
    return data["message"]


def save_settings(stack: Stack, **values: str) -> None:
    admin = stack.odoo.admin
    admin.execute("res.config.settings", "execute", [admin.create("res.config.settings", **values)])


def authorize(client: OdooClient, from_url: str | None = None) -> dict:
    return client.route(
        "/microsoft_calendar/sync_data",
        model="calendar.event",
        fromurl=from_url or f"{client.url}/odoo/calendar",
    )


def connected(stack: Stack) -> list[tuple]:
    return stack.server.query(stack.bridge_database, "SELECT odoo_user_id FROM accounts ORDER BY 1")


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_code(stack: Stack):
    """The administrator mistypes the pairing code: Odoo says so, and the old pairing stays."""
    with pytest.raises(RpcError) as refused:
        save_settings(stack, outlook_bridge_url=stack.service.url, outlook_bridge_code="AAAA-BBBB-CCCC")
    assert refused.value.name == "odoo.exceptions.UserError"
    assert "code" in str(refused.value).lower()


def test_a_code_works_once(stack: Stack):
    """A used code does not pair another database."""
    code = stack.service.enroll()
    save_settings(stack, outlook_bridge_url=stack.service.url, outlook_bridge_code=code)
    before = everything(stack)
    stranger = stack.service.call(
        str(uuid.uuid4()), 1, code, "outlook.bridge", "pair", name="x", base_url="http://x.example", series="19.0"
    )
    odoo_error(stranger, "odoo.exceptions.AccessDenied")
    assert everything(stack) == before


@pytest.mark.usefixtures("unchanged")
def test_an_unknown_database(stack: Stack):
    _, key = credentials(stack)
    odoo_error(
        stack.service.call(str(uuid.uuid4()), 1, key, "outlook.bridge", "status"), "odoo.exceptions.AccessDenied"
    )


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_key(stack: Stack):
    database, _ = credentials(stack)
    odoo_error(stack.service.call(database, 1, "wrong", "outlook.bridge", "status"), "odoo.exceptions.AccessDenied")
    answer = stack.service.post(
        {}, "/json/2/outlook.bridge/status", Authorization="bearer wrong", **{"X-Odoo-Database": database}
    )
    assert answer.status_code in (401, 403)
    assert answer.json()["name"] == "odoo.exceptions.AccessDenied"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("model", "method"), [("res.partner", "search"), ("calendar.event", "unlink")])
def test_an_unknown_model_or_method(stack: Stack, model: str, method: str):
    database, key = credentials(stack)
    answer = stack.service.call(database, 1, key, model, method)
    odoo_error(answer, "werkzeug.exceptions.NotFound")
    assert answer.json()["error"]["code"] == 404


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"jsonrpc": "2.0", "method": ', -32700),
        (b"\xff\xfe\x00", -32700),
        (b"", -32700),
        (b"[]", -32600),
        (b'"text"', -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
    ],
)
def test_malformed_json(stack: Stack, body: bytes, code: int):
    answer = stack.service.post(body)
    assert answer.json()["error"]["code"] == code
    assert "result" not in answer.json()


@pytest.mark.usefixtures("unchanged")
def test_malformed_arguments(stack: Stack):
    """Well-formed calls whose arguments the method does not take."""
    database, key = credentials(stack)
    for arguments in ({"changes": 7}, {"nonce": None}, {"changes": [{"id": "x"}]}, {"surprise": 1}):
        message = odoo_error(
            stack.service.call(database, 1, key, "calendar.event", "sync", **arguments), "odoo.exceptions.UserError"
        )
        assert "panicked" not in message


@pytest.mark.usefixtures("unchanged")
def test_a_body_of_20_megabytes(stack: Stack):
    try:
        answer = stack.service.post(b'{"jsonrpc": "2.0", "x": "' + b"x" * 20_000_000 + b'"}')
    except requests.ConnectionError:
        # Closing the connection during the request is a refusal, too.
        pass
    else:
        assert answer.status_code == 413
        assert answer.json()["error"]["data"]["message"]
    assert stack.service.ready()


@pytest.mark.usefixtures("unchanged")
def test_a_redirect_outside_odoo(stack: Stack):
    """A sign-in must not end on a page outside of Odoo."""
    database, key = credentials(stack)
    for target in (
        "https://evil.example/",
        "//evil.example/x",
        f"{stack.odoo.url}@evil.example/",
        "javascript:alert(1)",
    ):
        message = odoo_error(
            stack.service.call(database, 5, key, "res.users", "authorize_url", from_url=target),
            "odoo.exceptions.UserError",
        )
        assert message
        answer = authorize(stack.odoo.client(ANN, "ann"), target)
        assert "evil" not in str(answer.get("url") or "")


def callback(client: OdooClient, **query: str) -> requests.Response:
    """Opens the page to which Microsoft sends the browser back."""
    return client.session().get(
        f"{client.url}/microsoft_account/authentication?{urlencode(query)}", allow_redirects=False, timeout=60
    )


@pytest.mark.usefixtures("unchanged")
def test_a_cancelled_login(stack: Stack):
    """The user refuses at Microsoft: back in the calendar, the user reads this and is not connected."""
    ann = stack.odoo.client(ANN, "ann")
    answer = authorize(ann)
    assert answer["status"] == "need_auth"
    back = stack.sim.consent(answer["url"], ANN, accept=False)
    assert "error=" in back
    landed = ann.session().get(back, allow_redirects=False, timeout=60)
    if landed.is_redirect:
        assert landed.headers["location"].startswith((stack.odoo.url, "/")), landed.headers["location"]
    else:
        assert landed.status_code == 400
    assert not connected(stack)


@pytest.mark.usefixtures("unchanged")
def test_a_forged_state(stack: Stack):
    """States that were never issued, or were changed."""
    ann = stack.odoo.client(ANN, "ann")
    real = parse_qs(urlsplit(authorize(ann)["url"]).query)["state"][0]
    altered = real[:-6] + ("A" if real[-6] != "A" else "B") + real[-5:]
    forged = (
        "{}",
        "null",
        "[]",
        "x",
        '{"b": "x"}',
        '{"d": "x", "s": "calendar", "f": "https://evil.example"}',
        altered,
    )
    for state in forged:
        landed = callback(ann, state=state, code="0.code")
        assert landed.status_code in (400, 403), f"{state}: {landed.status_code}"
        assert "Traceback" not in landed.text
    assert not connected(stack)


@pytest.mark.usefixtures("unchanged")
def test_a_state_of_another_user(stack: Stack):
    """Ben opens the address to which Ann was sent back: his user must not get her mailbox."""
    ann, ben = stack.odoo.client(ANN, "ann"), stack.odoo.client(BEN, "ben")
    back = stack.sim.consent(authorize(ann)["url"], ANN)
    landed = ben.session().get(back, allow_redirects=False, timeout=60)
    assert landed.status_code in (400, 403)
    assert not connected(stack)


def test_a_wrong_secret(stack: Stack):
    """With a wrong client secret, the sign-in fails with a message. With the right one, it works."""
    ann = stack.odoo.client(ANN, "ann")
    save_settings(stack, cal_microsoft_client_id=CLIENT_ID, cal_microsoft_client_secret="wrong~secret")
    back = stack.sim.consent(authorize(ann)["url"], ANN)
    landed = ann.session().get(back, allow_redirects=True, timeout=60)
    assert landed.status_code in (200, 400, 403)
    assert "wrong~secret" not in landed.text
    assert not connected(stack)
    save_settings(stack, cal_microsoft_client_id=CLIENT_ID, cal_microsoft_client_secret=CLIENT_SECRET)


def test_a_replayed_state(stack: Stack):
    """The answer to a sign-in works once. With another code it is refused, and the account stays
    unchanged."""
    ann = stack.odoo.client(ANN, "ann")
    back = stack.sim.consent(authorize(ann)["url"], ANN)
    first = ann.session().get(back, allow_redirects=False, timeout=60)
    assert first.is_redirect, first.text
    eventually(lambda: connected(stack), message="Ann is connected")
    query = parse_qs(urlsplit(back).query)
    accounts = stack.server.query(stack.bridge_database, "SELECT id, connected_at, object_id FROM accounts")
    replayed = callback(ann, state=query["state"][0], code="0.another-code")
    assert replayed.status_code in (400, 403)
    later = callback(stack.odoo.client(BEN, "ben"), state=query["state"][0], code=query["code"][0])
    assert later.status_code in (400, 403)
    assert stack.server.query(stack.bridge_database, "SELECT id, connected_at, object_id FROM accounts") == accounts


def test_refusals_are_logged_without_secrets(stack: Stack):
    """The service's log has all refusals of the tests above, and no secret."""
    log = stack.service.log.read_text()
    _, key = credentials(stack)
    for word in ("not a JSON-RPC request", "AccessDenied", "reason=TooLarge"):
        assert word in log, f"the log does not mention: {word}"
    for secret in (CLIENT_SECRET, quote(CLIENT_SECRET), "wrong~secret", key):
        assert secret not in log
        assert secret not in stack.odoo.log.read_text()
