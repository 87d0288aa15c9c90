"""Walks the guide for Debian (docs/install/debian.md) on a fresh machine with systemd: from the
package to the first event, an upgrade, the removal and the purge."""

import re
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from tools.stack import CLIENT_ID, CLIENT_SECRET, Odoo, OdooClient, Simulator, Templates, eventually, free_port, paths
from tools.stack import postgres as postgres_server

from .conftest import only
from .machine import BootedMachine, Machine

# Machines are installed, which takes long on a busy one.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

KEY = "/etc/outlook-bridge/master.key"
SETTINGS = "/etc/outlook-bridge/config.toml"
DATA = "/var/lib/outlook-bridge"
ANN = "ann@contoso.example"
CODE = r"[A-Z0-9-]{29}"


def use_free_ports(machine: Machine) -> tuple[int, int]:
    """Lets the unit use ports that are free, as others may use the usual ones. Returns that for Odoo
    and that for health checks."""
    drop_in = machine.path("/etc/systemd/system/outlook-bridge.service.d")
    drop_in.mkdir(parents=True)
    port, admin_port = free_port(), free_port()
    (drop_in / "ports.conf").write_text(
        "[Service]\n"
        f"Environment=OUTLOOK_BRIDGE_LISTEN=127.0.0.1:{port}\n"
        f"Environment=OUTLOOK_BRIDGE_ADMIN_LISTEN=127.0.0.1:{admin_port}\n"
    )
    return port, admin_port


def is_ready(admin_port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{admin_port}/health/ready", timeout=5).ok
    except requests.RequestException:
        return False


class Steps:
    """Prints the steps of the guide and how long they took."""

    def __init__(self, file: Path):
        self._file = file
        self._began = self._last = time.monotonic()

    def done(self, what: str) -> None:
        now = time.monotonic()
        line = f"{now - self._began:5.0f} s  (+{now - self._last:3.0f})  {what}"
        self._last = now
        print(line, flush=True)
        with self._file.open("a") as file:
            file.write(f"{line}\n")


class Site:
    """The machine with the service, Odoo beside it, and the simulated Microsoft."""

    def __init__(self, machine: BootedMachine, server: postgres_server.Postgres, folder: Path, addons: Path):
        self.machine = machine
        self.port, self.admin_port = use_free_ports(machine)
        state = folder / "state"
        odoo_port = free_port()
        database = "install_odoo"
        self.odoo = Odoo(server, database, folder, state, odoo_port, addons_dir=addons)
        # Odoo as it is before: with its calendar, without Outlook.
        Templates(server, folder).instantiate("base", database, state, self.odoo.url)
        self.sim = Simulator(free_port(), folder, None, [self.odoo.redirect_uri])
        self.user: OdooClient | None = None

    def stop(self) -> None:
        self.odoo.stop()
        self.sim.stop()

    def is_ready(self) -> bool:
        return is_ready(self.admin_port)

    def wait_until_ready(self) -> None:
        eventually(self.is_ready, 90, message="the service is ready")

    def main_pid(self) -> str:
        return self.machine.says("systemctl show --property=MainPID --value outlook-bridge")

    def syncs(self, subject: str) -> None:
        """Makes an event on either side, and waits for both on the other one."""
        assert self.user
        start = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=3)
        times = {
            name: {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}
            for name, moment in (("start", start), ("end", start + timedelta(hours=1)))
        }
        self.sim.create_event(ANN, {"subject": f"{subject} in Outlook", "attendees": [], **times})
        self.user.create(
            "calendar.event",
            name=f"{subject} in Odoo",
            start=f"{start:%Y-%m-%d %H:%M:%S}",
            stop=f"{start + timedelta(hours=1):%Y-%m-%d %H:%M:%S}",
        )
        eventually(lambda: self.sim.event(ANN, f"{subject} in Odoo"), 180, message="Odoo's event is in Outlook")
        eventually(
            lambda: self.odoo.query("SELECT 1 FROM calendar_event WHERE name = %s", f"{subject} in Outlook"),
            180,
            message="Outlook's event is in Odoo",
        )


@pytest.fixture
def server(run_dir: Path) -> Iterator[postgres_server.Postgres]:
    database_server = postgres_server.for_tests(run_dir / "postgres.log")
    database_server.start()
    yield database_server
    database_server.stop()


@pytest.fixture
def site(
    make_machine: Callable[..., Machine], server: postgres_server.Postgres, packages: Path, run_dir: Path
) -> Iterator[Site]:
    addons = run_dir / "addons"
    with zipfile.ZipFile(only(packages, f"{paths.ADDON}-*.zip")) as archive:
        archive.extractall(addons)
    machine = make_machine(kind=BootedMachine)
    assert isinstance(machine, BootedMachine)
    made = Site(machine, server, run_dir / "site", addons)
    yield made
    made.stop()


def types_commands_as_root(machine: BootedMachine) -> None:
    """Types commands as root beside the service, also without its settings, and while it is stopped.
    Everything stays the service's own."""
    made = machine.says(f"ls {DATA}")
    for command in ("outlook-bridge enroll", "env --ignore-environment outlook-bridge --config /dev/null enroll"):
        assert re.fullmatch(CODE, machine.says(command)), command
        assert machine.says(f"find {DATA} /run/outlook-bridge ! -user outlook-bridge") == ""
    machine.run("systemctl stop outlook-bridge")
    stopped = machine.run("outlook-bridge enroll")
    assert re.fullmatch(CODE, stopped.stdout.strip())
    assert "The service is not running" in stopped.stderr
    assert machine.says(f"find {DATA} ! -user outlook-bridge; ls {DATA}") == made
    machine.run("systemctl start outlook-bridge")


def test_the_guide_leads_to_the_first_event_and_back(site: Site, deb: Path, lower_deb: Path, run_dir: Path):
    machine = site.machine
    steps = Steps(run_dir / "steps.txt")
    file = machine.bring(lower_deb)
    said = machine.says(f"apt-get -qq update; apt-get -y install {file}")
    assert f"made the master key, {KEY}" in said
    steps.done("apt install ./outlook-bridge_*.deb, with Postgres")
    site.wait_until_ready()
    steps.done("the service is ready, with a private Postgres")
    assert machine.says("systemctl is-enabled outlook-bridge; systemctl is-active outlook-bridge") == "enabled\nactive"
    assert machine.says(f"ps -o user:32= -p {site.main_pid()}") == "outlook-bridge"
    assert machine.mode(f"{DATA}/postgres/data") == "outlook-bridge:outlook-bridge 700"
    # The master key is root's, and the service has no other one.
    assert machine.mode(KEY) == "root:root 600"
    assert machine.says(f"ls {DATA}").split() == ["last-database", "postgres", "running", "serve.lock"]
    assert machine.run(f"setpriv --reuid=outlook-bridge --clear-groups cat {KEY}", check=False).returncode != 0

    types_commands_as_root(machine)
    site.wait_until_ready()
    steps.done("commands as root beside the service and while it is stopped; it starts again")

    site.sim.start()
    edited = machine.path(SETTINGS)
    edited.write_text(
        edited.read_text()
        .replace('#graph_url = "https://graph.microsoft.com/v1.0"', f'graph_url = "{site.sim.graph_url}"')
        .replace('#login_url = "https://login.microsoftonline.com"', f'login_url = "{site.sim.login_url}"')
        .replace("#poll_seconds = 60", "poll_seconds = 2")
        .replace("#poll_seconds_quiet = 300", "poll_seconds_quiet = 2")
    )
    settings = edited.read_text()
    assert len(re.findall(r"^[a-z_]+ = ", settings, re.MULTILINE)) == 4
    machine.run("systemctl restart outlook-bridge")
    site.wait_until_ready()
    steps.done("settings changed, service restarted")

    site.odoo.start()
    admin = site.odoo.admin
    admin.execute("ir.module.module", "update_list")
    wizard = admin.create("res.config.settings", module_microsoft_calendar=True)
    admin.execute("res.config.settings", "execute", [wizard])
    (bridge,) = admin.search_read("ir.module.module", [["name", "=", paths.ADDON]], ["state"])
    assert bridge["state"] == "installed"
    steps.done("Odoo started with the add-on's zip; Outlook Calendar ticked, which installs both")

    code = machine.says("outlook-bridge enroll")
    wizard = admin.create(
        "res.config.settings",
        outlook_bridge_url=f"http://127.0.0.1:{site.port}",
        outlook_bridge_code=code,
        cal_microsoft_client_id=CLIENT_ID,
        cal_microsoft_client_secret=CLIENT_SECRET,
        outlook_bridge_agreed=True,
    )
    admin.execute("res.config.settings", "execute", [wizard])
    assert re.search(r"^ install_odoo .* syncing ", machine.says("outlook-bridge status"), re.MULTILINE)
    steps.done("outlook-bridge enroll; paired in Odoo's settings")

    site.odoo.create_user("Ann Archer", ANN, "ann")
    site.user = site.odoo.client(ANN, "ann")
    site.sim.sign_in(site.user)
    site.syncs("First")
    steps.done("a user has logged in; the first event of either side is on the other one")

    key, pid = machine.says(f"cat {KEY}"), site.main_pid()
    machine.run(f"apt-get -y install {machine.bring(deb)}")
    site.wait_until_ready()
    assert site.main_pid() != pid
    assert machine.says("dpkg-query --show --showformat='${Version}' outlook-bridge").endswith("-1")
    assert machine.says(f"cat {KEY}") == key
    assert edited.read_text() == settings
    assert ANN in machine.says("outlook-bridge accounts")
    site.syncs("Upgraded")
    steps.done("upgraded, which restarts the service; events go on")

    machine.run("apt-get -y remove outlook-bridge")
    assert not site.is_ready()
    machine.wait_for("! pgrep --uid outlook-bridge", "nothing of the service runs")
    assert machine.says(f"cat {KEY}") == key
    assert machine.says(f"ls {DATA}/postgres/data/PG_VERSION")
    steps.done("removed: nothing runs, data and key are kept")

    machine.run(f"apt-get -y install {machine.bring(deb)}")
    site.wait_until_ready()
    site.syncs("Again")
    steps.done("installed again: the pairing and the logins are still there")

    site.odoo.stop()
    said = machine.says("apt-get -y purge outlook-bridge")
    assert f"removed the master key, {KEY}" in said
    machine.wait_for("! pgrep --uid outlook-bridge", "nothing of the service runs")
    left = machine.says("ls -d /etc/outlook-bridge /var/lib/outlook-bridge /run/outlook-bridge 2>/dev/null || true")
    assert left == ""
    assert machine.says("systemctl list-unit-files 'outlook-bridge*' --no-legend || true") == ""
    # The user stays, without a password and without a shell.
    assert machine.says("getent passwd outlook-bridge").endswith("/usr/sbin/nologin")
    assert machine.says("getent shadow outlook-bridge").split(":")[1].startswith(("!", "*"))
    steps.done("purged")


def change_settings_of_package(deb: Path, out: Path, folder: Path) -> Path:
    """Returns the package with one more line in its settings, as a later version would have."""
    subprocess.run(["dpkg-deb", "--raw-extract", deb, folder], check=True)
    settings = folder / SETTINGS.removeprefix("/")
    settings.write_text(settings.read_text() + "\n# A new setting.\n#new = 1\n")
    changed = out / "changed.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", folder, changed], check=True, stdout=subprocess.DEVNULL
    )
    return changed


def test_changed_settings_survive_an_upgrade_that_changes_them_too(
    make_machine: Callable[..., Machine], deb: Path, tmp_path: Path
):
    machine = make_machine()
    machine.run(f"apt-get -qq update; apt-get -y --no-install-recommends install {machine.bring(deb)}")
    settings = machine.path(SETTINGS)
    settings.write_text(settings.read_text().replace("#workers = 8", "workers = 4"))
    changed = machine.bring(change_settings_of_package(deb, tmp_path, tmp_path / "raw"))
    # What apt does without a terminal when told to keep what is there.
    machine.run(f"dpkg --force-confold --install {changed}")
    assert "\nworkers = 4\n" in settings.read_text()
    assert "new setting" not in settings.read_text()
    assert "new setting" in machine.path(f"{SETTINGS}.dpkg-dist").read_text()
    assert machine.mode(SETTINGS) == "root:outlook-bridge 640"


def test_the_archive_is_installed_as_the_guide_says(make_machine: Callable[..., Machine], packages: Path):
    machine = make_machine(kind=BootedMachine)
    guide = (paths.PROJECT_ROOT / "docs/install/debian.md").read_text()
    (commands,) = re.findall(r"```sh\n(tar .*?)```", guide, re.DOTALL)
    machine.bring(only(packages, "*-linux-*.tar.gz"))
    _, admin_port = use_free_ports(machine)
    machine.run(f"apt-get -qq update; apt-get -y install ca-certificates postgresql; {commands}")
    eventually(lambda: is_ready(admin_port), 60, message="the service is ready")
    assert machine.mode(KEY) == "root:root 600"
    assert machine.mode(SETTINGS) == "root:outlook-bridge 640"
    assert machine.mode(f"{DATA}/postgres/data") == "outlook-bridge:outlook-bridge 700"


def test_a_database_of_the_machine_is_used_without_a_password(
    make_machine: Callable[..., Machine], deb: Path, packages: Path
):
    machine = make_machine(kind=BootedMachine)
    assert isinstance(machine, BootedMachine)
    _, admin_port = use_free_ports(machine)
    machine.run(f"apt-get -qq update; apt-get -y --no-install-recommends install {machine.bring(deb)}")
    # Without any Postgres, the log says what is missing.
    machine.wait_for(
        "journalctl --output=cat --unit=outlook-bridge | grep --quiet postgresql", "the log names the package"
    )
    # The commands and the address of the guide.
    guide = (paths.PROJECT_ROOT / "docs/install/debian.md").read_text()
    commands = re.findall(r"^sudo (-u postgres .*)$", guide, re.MULTILINE)
    (address,) = re.findall(r'^(database_url = ".*")$', guide, re.MULTILINE)
    assert len(commands) == 2
    (unzipping,) = re.findall(r"```sh\n(sudo apt install unzip\n.*?)```", guide, re.DOTALL)
    machine.run("apt-get -y install postgresql sudo")
    machine.bring(only(packages, f"{paths.ADDON}-*.zip"))
    machine.run(unzipping)
    assert machine.path(f"/opt/odoo-addons/{paths.ADDON}/__manifest__.py").is_file()
    for command in commands:
        machine.run(f"sudo {command}")
    settings = machine.path(SETTINGS)
    settings.write_text(f"{settings.read_text()}\n{address}\n")
    machine.run("systemctl restart outlook-bridge")

    eventually(lambda: is_ready(admin_port), 60, message="the service is ready")
    tables = machine.says("sudo -u postgres psql --tuples-only --no-align --dbname=outlook-bridge --command='\\dt'")
    assert "|databases|" in tables
    assert "|accounts|" in tables

    # The service alone gets the address. A command in a plain shell works on the same database.
    settings.write_text(settings.read_text().replace(address, ""))
    drop_in = machine.path("/etc/systemd/system/outlook-bridge.service.d/database.conf")
    url = address.partition('"')[2].rstrip('"').replace("%", "%%")
    drop_in.write_text(f"[Service]\nEnvironment=OUTLOOK_BRIDGE_DATABASE_URL={url}\n")
    machine.run("systemctl daemon-reload; systemctl restart outlook-bridge")
    eventually(lambda: is_ready(admin_port), 60, message="the service is ready")
    assert re.fullmatch(CODE, machine.says("outlook-bridge enroll"))
    psql = "sudo -u postgres psql --tuples-only --no-align --dbname=outlook-bridge"
    assert machine.says(f"{psql} --command='SELECT count(*) FROM enrollments'") == "1"
