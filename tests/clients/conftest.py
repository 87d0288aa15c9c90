"""Gives each test a simulated Microsoft with Microsoft's host names and a certificate that the
clients trust."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import trustme
from azure.identity import AuthorizationCodeCredential
from msgraph import GraphServiceClient
from O365 import Account, MSGraphProtocol
from O365.utils.token import MemoryTokenBackend

from tools.stack import paths
from tools.stack.process import free_port
from tools.stack.sim import CLIENT_ID, CLIENT_SECRET, Simulator, Tls

from .tunnel import LOGIN, NAMES, Tunnel

REDIRECT_URI = "http://localhost:8400/signed-in"
# The redirect URI that O365 uses by default.
NATIVE_CLIENT = f"https://{LOGIN}/common/oauth2/nativeclient"
SCOPES = ["https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Calendars.ReadWrite"]

ANN = "ann@contoso.example"
BEN = "ben@contoso.example"
CARLA = "carla@contoso.example"
STRANGER = "guest@elsewhere.example"

# An organization whose calendars are empty.
SEED = {
    "tenants": [{"id": "aaaaaaaa-0000-4000-8000-00000000c0de", "domain": "contoso.example", "name": "Contoso"}],
    "apps": [
        {
            "client_id": CLIENT_ID,
            "secret": CLIENT_SECRET,
            "name": "The client",
            "redirect_uris": [REDIRECT_URI, NATIVE_CLIENT],
        }
    ],
    "people": [
        {"address": ANN, "name": "Ann Ashford", "timezone": "Europe/Berlin"},
        {"address": BEN, "name": "Ben Bailey", "timezone": "Europe/Berlin"},
        {"address": CARLA, "name": "Carla Cruz", "timezone": "America/New_York"},
    ],
}


@dataclass
class Microsoft:
    """The simulator, and the people who sign in at it."""

    sim: Simulator
    browser: requests.Session = field(default_factory=requests.Session)

    def sign_in(self, url: str, address: str, *, accept: bool = True) -> str:
        """Goes through the sign-in pages at `url` as a person. Returns where the browser ends."""
        return self.sim.consent(url, address, accept=accept, browser=self.browser)

    def credential(self, address: str) -> AuthorizationCodeCredential:
        """Returns the credential that Microsoft's SDK gets when this person has signed in."""
        query = {
            "client_id": CLIENT_ID,
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": " ".join(["openid", "profile", "offline_access", *SCOPES]),
        }
        page = requests.Request("GET", f"https://{LOGIN}/common/oauth2/v2.0/authorize", params=query).prepare()
        landed = requests.utils.urlparse(self.sign_in(page.url, address))
        code = dict(pair.split("=", 1) for pair in landed.query.split("&"))["code"]
        return AuthorizationCodeCredential("common", CLIENT_ID, code, REDIRECT_URI, client_secret=CLIENT_SECRET)

    def graph(self, address: str) -> GraphServiceClient:
        """Returns Microsoft's SDK, signed in."""
        return GraphServiceClient(self.credential(address), SCOPES)

    def account(self, address: str, timezone: str = "Europe/Berlin") -> Account:
        """Returns an account of O365, signed in."""
        account = Account(
            (CLIENT_ID, CLIENT_SECRET),
            protocol=MSGraphProtocol(timezone=timezone),
            token_backend=MemoryTokenBackend(),
        )
        url, flow = account.get_authorization_url(requested_scopes=SCOPES)
        assert account.request_token(self.sign_in(url, address), flow=flow)
        return account

    def mails(self, subject: str) -> list[tuple[str, str, str]]:
        """Returns kind, sender and recipient of each mail with this subject, oldest first."""
        return [
            (mail["kind"], mail["from"], mail["to"])
            for mail in self.sim.mails()
            if mail["subject"].removeprefix("Canceled: ") == subject
        ]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Makes a certificate authority and a certificate for Microsoft's names: `ca.pem`,
    `server.pem`, `server.key`."""
    folder = tmp_path_factory.mktemp("authority")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    server = ca.issue_cert(*NAMES)
    server.private_key_pem.write_to_path(folder / "server.key")
    for link in server.cert_chain_pems:
        link.write_to_path(folder / "server.pem", append=True)
    return folder


@pytest.fixture
def microsoft(authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Microsoft]:
    tls = Tls(free_port(), authority / "server.pem", authority / "server.key")
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps(SEED))
    file = paths.schema()
    schema = file if file.is_file() else None
    sim = Simulator(free_port(), tmp_path, tmp_path / "state.json", [], str(seed), schema=schema, tls=tls)
    sim.start()
    tunnel = Tunnel(("127.0.0.1", tls.port))
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, tunnel.url)
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(authority / "ca.pem"))
    yield Microsoft(sim)
    tunnel.close()
    # The simulator is tested here, not the clients: only its answers must match the schema.
    violations = [found for found in sim.violations() if found["side"] != "request"]
    sim.stop()
    assert not violations, f"against Microsoft's schema: {violations}"
    assert not tunnel.refused, "a client asked somebody else"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
