"""No secret of a run is in Odoo's database, the service's database, a log, an error or an address.
`make_stack` checks this when the tests of each file are done. Here a planted secret must be found.
"""

from collections.abc import Callable

from tools.stack import RpcError, Stack, secrets

from .site import ANN, Site


def test_a_run_of_its_own_leaves_none_and_planted_ones_are_found(make_stack: Callable[..., Stack]):
    site = Site(make_stack())
    site.set_up()
    stack = site.stack
    # Makes error messages, and the traces of a refused login.
    client = site.client(ANN)
    landed = client.session().get(f"{client.url}/microsoft_account/authentication?code=forged&state=forged", timeout=60)
    assert landed.status_code == 400
    site.new_event(ANN, "Nothing secret")
    site.agrees()
    known = secrets.secrets_of(stack)
    for kind in (
        "access token",
        "code or refresh token",
        "pairing code",
        "the API key",
        "the poke key",
        "the master key",
    ):
        assert any(what.startswith(kind) for what in known), f"{kind} is looked for"
    assert secrets.scan(stack) == []

    token = next(what for what in known if what.startswith("access token"))
    planted = {
        "Odoo's database": known[token],
        "the service's database": known["the master key"],
        "outlook-bridge.log": known["the API key"],
        "the errors that Odoo's callers were told": known["pairing code 0"],
    }
    stack.odoo.query("UPDATE res_partner SET comment = %s WHERE id = 1 RETURNING 1", planted["Odoo's database"])
    stack.server.query(
        stack.bridge_database,
        "INSERT INTO journal (database_id, level, message) SELECT id, 'info', %s FROM databases RETURNING 1",
        planted["the service's database"],
    )
    with stack.service.log.open("a") as log:
        log.write(f"a call with {planted['outlook-bridge.log'][:40]}...\n")
    RpcError.told.append(planted["the errors that Odoo's callers were told"])
    try:
        found = secrets.scan(stack)
    finally:
        RpcError.told.pop()
        stack.odoo.query("UPDATE res_partner SET comment = NULL WHERE id = 1 RETURNING 1")
        stack.server.query(
            stack.bridge_database,
            "DELETE FROM journal WHERE message = %s RETURNING 1",
            planted["the service's database"],
        )
        lines = stack.service.log.read_text().splitlines(keepends=True)
        stack.service.log.write_text("".join(line for line in lines if "a call with" not in line))
    for place in planted:
        assert any(place in line for line in found), f"planted in {place} and not found: {found}"
    assert not any(secret in line for line in found for secret in known.values())
    site.close()
