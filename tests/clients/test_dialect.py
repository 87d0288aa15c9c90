"""Calls the service with clients that were written for Odoo, unchanged: each logs in with a key, lists
accounts with a domain, reads the journal, stops and restarts a user, previews and runs a reset, and
sets the settings."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import odoolib
import odooly
import odoorpc
import pytest

from .site import ANN, ANN_ID, DATABASE, Site, serving

ACCOUNT = "outlook.bridge.account"
JOURNAL = "outlook.bridge.journal"
SETTINGS = "res.config.settings"
RESET = "microsoft.calendar.account.reset"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(tmp_path) as made:
        yield made


Execute = Callable[..., Any]


def with_odoorpc(site: Site) -> Execute:
    client = odoorpc.ODOO("127.0.0.1", port=site.port)
    assert client.version == "19.0"
    client.login(DATABASE, "admin", site.key)
    # A model as its users use it: its fields are read first.
    accounts = client.env[ACCOUNT]
    [ann] = accounts.browse(accounts.search([("login", "=", ANN)]))
    assert (ann.login, ann.user_id) == (ANN, ANN_ID)
    return lambda model, method, *args, **kwargs: client.execute_kw(model, method, args, kwargs)


def with_odoolib(site: Site) -> Execute:
    client = odoolib.get_connection("127.0.0.1", "jsonrpc", site.port, DATABASE, "admin", site.key)
    client.check_login()
    assert client.user_id == 1
    [ann] = client.get_model(ACCOUNT).search_read([("login", "=", ANN)], ["user_id"])
    assert ann["user_id"] == ANN_ID
    return lambda model, method, *args, **kwargs: getattr(client.get_model(model), method)(*args, **kwargs)


def with_odoolib_json2(site: Site) -> Execute:
    client = odoolib.get_connection("127.0.0.1", "json2", site.port, DATABASE, password=site.key)
    assert client.check_login()
    return lambda model, method, *args, **kwargs: getattr(client.get_model(model), method)(*args, **kwargs)


def with_odooly_jsonrpc(site: Site) -> Execute:
    client = odooly.Client(f"{site.service.url}/jsonrpc", DATABASE, "admin", site.key)
    return client.env.execute


def with_odooly_session(site: Site) -> Execute:
    client = odooly.Client(site.service.url, DATABASE, "admin", site.key)
    assert client.web_session.get_session_info()["username"] == "admin"
    [ann] = client.env[ACCOUNT].search([("login", "=", ANN)])
    assert (ann.login, ann.user_id) == (ANN, ANN_ID)
    return client.env.execute


def with_odooly_key(site: Site) -> Execute:
    client = odooly.Client(site.service.url, DATABASE, "admin", api_key=site.key)
    assert client.env._execute_kw._protocol_name == "JSON-2"
    return client.env.execute


CLIENTS = {
    "odoorpc": with_odoorpc,
    "odoolib": with_odoolib,
    "odoolib, json2": with_odoolib_json2,
    "odooly, jsonrpc": with_odooly_jsonrpc,
    "odooly, a session": with_odooly_session,
    "odooly, a key": with_odooly_key,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_does_what_there_is_to_do(site: Site, name: str):
    execute = CLIENTS[name](site)

    domain = [["state", "=", "active"], ["login", "ilike", "contoso"]]
    [account] = execute(ACCOUNT, "search_read", domain, ["login", "user_id"])
    assert (account["login"], account["user_id"]) == (ANN, ANN_ID)
    assert execute(ACCOUNT, "search_count", [["login", "=", "nobody"]]) == 0
    lines = execute(JOURNAL, "search_read", [["user_id", "=", ANN_ID]], ["message", "time"])
    assert any("connected" in line["message"] for line in lines), lines

    def status() -> str:
        return execute("res.users", "check_synchronization_status", [ANN_ID])["microsoft_calendar"]

    execute("res.users", "stop_microsoft_synchronization", [ANN_ID])
    assert status() == "sync_stopped"
    execute("res.users", "restart_microsoft_synchronization", [ANN_ID])
    assert status() == "sync_active"

    # Odoo 19's `create` takes a list in /json/2, and either elsewhere.
    [wizard] = execute(SETTINGS, "create", [{"cal_microsoft_sync_paused": True, "outlook_bridge_policy": "odoo"}])
    execute(SETTINGS, "execute", [wizard])
    values = execute(SETTINGS, "get_values")
    assert (values["cal_microsoft_sync_paused"], values["outlook_bridge_policy"]) == (True, "odoo")
    assert status() == "sync_paused"
    execute("res.users", "unpause_microsoft_synchronization", [ANN_ID])
    assert status() == "sync_active"

    [wizard] = execute(RESET, "create", [{"user_id": ANN_ID, "delete_policy": "dont_delete", "sync_policy": "new"}])
    assert execute(RESET, "preview", [wizard])["login"] == ANN
    execute(RESET, "reset_account", [wizard])
    assert status() == "sync_stopped"


def test_a_wrong_key_is_a_failed_login(site: Site):
    with pytest.raises(odoorpc.error.RPCError):
        odoorpc.ODOO("127.0.0.1", port=site.port).login(DATABASE, "admin", "wrong")
    with pytest.raises(odoolib.tools.AuthenticationError):
        odoolib.get_connection("127.0.0.1", "jsonrpc", site.port, DATABASE, "admin", "wrong").check_login()
    with pytest.raises(odooly.Error):
        odooly.Client(site.service.url, DATABASE, "admin", "wrong")


def test_a_user_is_refused_what_is_not_the_users_own(site: Site):
    client = odoorpc.ODOO("127.0.0.1", port=site.port)
    client.login(DATABASE, ANN, site.users_key)
    assert client.env.uid == ANN_ID
    [account] = client.execute(ACCOUNT, "search_read", [], ["login"])
    assert account["login"] == ANN
    with pytest.raises(odoorpc.error.RPCError) as refused:
        client.execute(SETTINGS, "get_values")
    assert refused.value.info["data"]["name"] == "odoo.exceptions.AccessError"


def test_a_client_in_node_without_dependencies(site: Site):
    script = Path(__file__).parent / "client.mjs"
    done = subprocess.run(
        ["node", str(script), site.service.url, DATABASE, site.key, str(ANN_ID)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "uid": 1,
        "accounts": [ANN],
        "stopped": "sync_stopped",
        "restarted": "sync_active",
        "paused": True,
        "refused": "odoo.exceptions.AccessDenied",
        "preview": ANN,
        "reset": "sync_stopped",
    }
