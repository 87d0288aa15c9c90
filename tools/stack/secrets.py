"""Searches everything that a site leaves behind for the secrets of a run."""

import subprocess
from collections.abc import Iterator
from urllib.parse import quote

from .odoo import RpcError
from .postgres import bin_dir
from .sim import CLIENT_SECRET
from .stack import Stack

# This much of a secret identifies it, so a log with a truncated secret is found, too.
HEAD = 32


def secrets_of(stack: Stack) -> dict[str, str]:
    """Returns ``{what the secret is: secret}``. The simulator must run."""
    found = {"the client secret": CLIENT_SECRET}
    for number, secret in enumerate(stack.sim.secrets()):
        kind = "access token" if secret.startswith("EwB") else "code or refresh token"
        found[f"{kind} {number}"] = secret
    for number, code in enumerate(stack.service.codes):
        found[f"pairing code {number}"] = code
        found[f"pairing code {number}, without dashes"] = code.replace("-", "")
    if stack.service.master_key.is_file():
        found["the master key"] = stack.service.master_key.read_text().strip()
    for what, rows in _kept_in_odoo(stack).items():
        for (secret,) in rows:
            if secret:
                found[what] = secret
    return found


def _kept_in_odoo(stack: Stack) -> dict[str, list[tuple]]:
    """Returns the secrets that Odoo stores in one place each; none if the add-on is not installed."""
    kept = {
        "the API key": stack.odoo.query(
            "SELECT value FROM ir_config_parameter WHERE key = 'microsoft_calendar_bridge.key'"
        )
    }
    if stack.odoo.query("SELECT to_regclass('outlook_bridge_state')") != [(None,)]:
        kept["the poke key"] = stack.odoo.query("SELECT poke_key FROM outlook_bridge_state")
    return kept


def _dump(stack: Stack, database: str) -> bytes:
    """Returns all rows of all tables."""
    dumped = subprocess.run(
        [bin_dir() / "pg_dump", "--data-only", database], env=stack.server.env(), capture_output=True, check=True
    )
    return dumped.stdout


def _places(stack: Stack) -> Iterator[tuple[str, bytes]]:
    yield "Odoo's database", _dump(stack, stack.odoo.database)
    yield "the service's database", _dump(stack, stack.bridge_database)
    # These files contain secrets on purpose: the master key, and the simulated mailboxes.
    own = {stack.service.master_key, stack.state_dir / "graph-sim.json"}
    for file in sorted(path for path in stack.run_dir.rglob("*") if path.is_file() and path not in own):
        yield str(file.relative_to(stack.run_dir)), file.read_bytes()
    yield "the addresses of requests to Microsoft", repr(stack.sim.requests()).encode()
    yield "the errors that Odoo's callers were told", "\n".join(RpcError.told).encode()


# Where a secret may be, and how often.
ALLOWED = {("the API key", "Odoo's database"): 1, ("the poke key", "Odoo's database"): 1}


def scan(stack: Stack) -> list[str]:
    """Describes each secret that is where it must not be, without the secret itself."""
    secrets = secrets_of(stack)
    needles = {
        what: {form[:HEAD].encode() for form in (secret, quote(secret, safe=""))} for what, secret in secrets.items()
    }
    found = []
    for place, content in _places(stack):
        for what, forms in needles.items():
            count = max(content.count(form) for form in forms)
            if count > ALLOWED.get((what, place), 0):
                found.append(f"{what} in {place}, {count} times")
    return found
