"""Signing in with Microsoft's own library, MSAL."""

from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from msal import ConfidentialClientApplication

from tools.stack.sim import CLIENT_ID, CLIENT_SECRET

from .conftest import ANN, REDIRECT_URI, SCOPES, Microsoft
from .tunnel import LOGIN


def application(secret: str = CLIENT_SECRET) -> ConfidentialClientApplication:
    return ConfidentialClientApplication(CLIENT_ID, client_credential=secret, authority=f"https://{LOGIN}/common")


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_code_flow_with_pkce(microsoft: Microsoft):
    app = application()
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT_URI, login_hint=ANN)
    asked = query(flow["auth_uri"])
    assert asked["code_challenge_method"] == "S256"
    landed = microsoft.sign_in(flow["auth_uri"], ANN)
    assert landed.startswith(REDIRECT_URI)
    result = app.acquire_token_by_auth_code_flow(flow, query(landed))
    assert result["token_type"] == "Bearer"
    # MSAL has checked the nonce, the audience and the times of the id token.
    claims = result["id_token_claims"]
    assert claims["preferred_username"] == ANN
    assert claims["iss"] == f"https://{LOGIN}/{claims['tid']}/v2.0"
    me = requests.get(
        "https://graph.microsoft.com/v1.0/me", headers={"Authorization": f"Bearer {result['access_token']}"}, timeout=30
    )
    assert me.json()["id"] == claims["oid"]

    # A code works only once.
    again = app.acquire_token_by_auth_code_flow(flow, query(landed))
    assert (again["error"], again["error_codes"]) == ("invalid_grant", [54005])


def test_silent_renewal(microsoft: Microsoft):
    app = application()
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT_URI)
    first = app.acquire_token_by_auth_code_flow(flow, query(microsoft.sign_in(flow["auth_uri"], ANN)))
    [account] = app.get_accounts(ANN)
    cached = app.acquire_token_silent(SCOPES, account)
    assert cached["access_token"] == first["access_token"]
    renewed = app.acquire_token_silent(SCOPES, account, force_refresh=True)
    assert renewed["access_token"] != first["access_token"]
    microsoft.sim.revoke(ANN)
    refused = app.acquire_token_silent_with_error(SCOPES, account, force_refresh=True)
    assert refused["error"] == "invalid_grant"


def test_refusals(microsoft: Microsoft):
    app = application()
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT_URI)
    declined = app.acquire_token_by_auth_code_flow(flow, query(microsoft.sign_in(flow["auth_uri"], ANN, accept=False)))
    assert declined["error"] == "access_denied"

    mallory = application("not the secret")
    flow = mallory.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT_URI)
    result = mallory.acquire_token_by_auth_code_flow(flow, query(microsoft.sign_in(flow["auth_uri"], ANN)))
    assert (result["error"], result["error_codes"]) == ("invalid_client", [7000215])

    # A code does not work without the verifier.
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=REDIRECT_URI)
    flow["code_verifier"] = "x" * 43
    result = app.acquire_token_by_auth_code_flow(flow, query(microsoft.sign_in(flow["auth_uri"], ANN)))
    assert (result["error"], result["error_codes"]) == ("invalid_grant", [501481])


def test_only_the_named_certificate(microsoft: Microsoft, monkeypatch: pytest.MonkeyPatch):
    """Without the authority of the tests, the clients reject the certificate, so they do check it."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"https://{LOGIN}/common/v2.0/.well-known/openid-configuration", timeout=30)
    assert microsoft.sim.running
