"""Odoo: prepared databases (made once, stored in the cache folder), the server, and a client for
its RPC."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import requests

from . import paths
from .postgres import Postgres, bin_dir
from .process import Process, eventually, free_port

ADMIN = ("admin", "admin")

NEIGHBORS = ["calendar_sms", "crm", "google_calendar", "hr_calendar", "hr_holidays", "hr_recruitment"]
# Modules of Odoo that only contain tests of imports, exports and activities. Also the module that
# shows in the calendar where people work: beside `hr_holidays`, it would change how many statements
# the tests of `hr_holidays` count.
TESTERS = ["test_import_export", "test_mail", "hr_homeworking_calendar"]
# The modules of each prepared database, installed on top of the database that it is made from.
# `available` is `base` in a site whose add-ons path and module list contain our add-on, not
# installed.
TEMPLATES: dict[str, tuple[str | None, list[str]]] = {
    "base": (None, ["calendar"]),
    "available": ("base", []),
    "stock": ("base", ["microsoft_calendar"]),
    "bridge": ("stock", [paths.ADDON]),
    # Other modules that create, change or show events, or change their people.
    "neighbors": ("bridge", [*NEIGHBORS, "base_import"]),
    "testers": ("bridge", TESTERS),
}
WITH_ADDON = ("available", "bridge", "neighbors", "testers")
UNUSED_SECONDS = 3 * 86_400
# Part of each cache key: raise it when the preparation below changes.
TEMPLATE_FORMAT = "1"


def _silent(_: str) -> None:
    pass


def _hash_files(files: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def template_key(name: str) -> str:
    """Returns a key of all that a prepared database depends on: Odoo, and the add-on if it is part
    of it."""
    odoo = paths.odoo_python_path() / "odoo"
    addon = paths.ADDONS_DIR / paths.ADDON
    parts = [TEMPLATE_FORMAT, str(odoo), (odoo / "release.py").read_text(), str((odoo / "release.py").stat().st_mtime)]
    if name == "available":
        parts.append((addon / "__manifest__.py").read_text())
    if name in ("bridge", "neighbors", "testers"):
        files = [
            file
            for file in addon.rglob("*")
            if file.is_file() and "__pycache__" not in file.parts and "tests" not in file.relative_to(addon).parts[:1]
        ]
        parts += [_hash_files(files, addon), *TEMPLATES[name][1]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def command(config: Path, *arguments: str | Path, launcher: Path | None = None) -> list[str]:
    """Returns the command line that runs this machine's Odoo, through the launcher if one is given."""
    program = [str(launcher)] if launcher else ["-m", "odoo"]
    return [sys.executable, *program, *map(str, arguments[:1]), "-c", str(config), *map(str, arguments[1:])]


def environment() -> dict[str, str]:
    """Returns Odoo's environment: its Python path, and no proxy between it and our services."""
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    for name in ("ODOO_RC", "PGDATABASE", "PGUSER", "PGHOST", "PGPORT", "PGPASSWORD"):
        env.pop(name, None)
    env["PYTHONPATH"] = str(paths.odoo_python_path())
    env["PATH"] = f"{bin_dir_or_empty()}{os.pathsep}{env.get('PATH', '')}"
    return env


def bin_dir_or_empty() -> str:
    """Returns the folder of Postgres' programs, or an empty text."""
    try:
        return str(bin_dir())
    except RuntimeError:
        return ""


def write_config(
    path: Path,
    server: Postgres,
    data_dir: Path,
    *,
    database: str = "",
    port: int = 0,
    addons: bool = True,
    workers: int = 0,
    cron_threads: int = 1,
    site_addons: Path | None = None,
    addons_dir: Path = paths.ADDONS_DIR,
) -> Path:
    """Writes Odoo's configuration file. It has the database's password, which must not be on the
    command line."""
    own = [addons_dir] if addons and (addons_dir / paths.ADDON).exists() else []
    addons_path = ",".join(str(folder) for folder in (*own, site_addons) if folder)
    lines = {
        "db_host": server.host,
        "db_port": server.port,
        "db_user": server.user,
        "db_password": server.password,
        "data_dir": data_dir,
        "addons_path": addons_path,
        "http_interface": "127.0.0.1",
        "workers": workers,
        "max_cron_threads": cron_threads,
        "list_db": True,
        "proxy_mode": False,
        # Nothing listens on this port, so mails stay in Odoo's queue.
        "smtp_server": "127.0.0.1",
        "smtp_port": 1,
    }
    if database:
        lines |= {"db_name": database, "dbfilter": f"^{database}$"}
    if port:
        lines |= {"http_port": port, "gevent_port": free_port()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[options]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items() if value != ""))
    path.chmod(0o600)
    return path


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# Runs in `odoo shell`. The first page is quick if its scripts and styles are bundled before.
PREPARE = """
env['ir.qweb']._pregenerate_assets_bundles()
env['res.users'].search([]).write({'tour_enabled': False})
env.cr.commit()
"""
UPDATE_LIST = """
env['ir.module.module'].update_list()
env.cr.commit()
"""


class Templates:
    """Prepared databases on one server."""

    def __init__(self, server: Postgres, work_dir: Path, report: Callable[[str], None] = _silent):
        self.server = server
        self.work_dir = work_dir
        self.report = report
        self._cache = paths.cache_dir() / "templates"

    def _archive(self, name: str) -> Path:
        return self._cache / f"{name}-{template_key(name)}"

    def build(self, name: str) -> Path:
        """Returns the cached folder of a prepared database, and makes it if it is missing."""
        archive = self._archive(name)
        if (archive / "database.dump").exists():
            os.utime(archive)
            return archive
        with _lock(self._cache / f".{name}.lock"):
            if not (archive / "database.dump").exists():
                self._build(name, archive)
        return archive

    def _build(self, name: str, archive: Path) -> None:
        parent, modules = TEMPLATES[name]
        self.report(f"preparing an Odoo database: {', '.join(modules) or 'the list of modules'} (once)")
        database = f"build_{name}_{uuid.uuid4().hex[:8]}"
        data_dir = self.work_dir / f"build-{name}"
        log = self.work_dir / f"build-{name}.log"
        try:
            if parent:
                self.restore(parent, database, data_dir)
            config = write_config(
                self.work_dir / f"build-{name}.conf", self.server, data_dir, addons=name in WITH_ADDON
            )
            if modules:
                self._run(
                    [
                        *command(config, "server", "-d", database, "-i", ",".join(modules), "--skip-auto-install"),
                        *("--stop-after-init", "--no-http", "--max-cron-threads=0"),
                    ],
                    log,
                )
            script = PREPARE if modules else UPDATE_LIST
            self._run(command(config, "shell", "-d", database, "--no-http"), log, script)
            missing = [
                module
                for module in modules
                if self.server.query(database, "SELECT state FROM ir_module_module WHERE name = %s", module)
                != [("installed",)]
            ]
            if missing:
                raise RuntimeError(f"Odoo did not install {', '.join(missing)}; its log is {log}")
            part = archive.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with tarfile.open(part / "filestore.tar", "w") as tar:
                tar.add(data_dir / "filestore" / database, arcname=".")
            self._pg("pg_dump", "-Fc", "-Z1", "-f", part / "database.dump", database)
            part.rename(archive)
            # Delete copies that were not used for a while. Other checkouts may be reading the rest.
            for old in self._cache.glob("*-*"):
                if old.is_dir() and old.stat().st_mtime < time.time() - UNUSED_SECONDS:
                    shutil.rmtree(old, ignore_errors=True)
        finally:
            self.server.drop(database)
            shutil.rmtree(data_dir, ignore_errors=True)

    def _run(self, arguments: list[str], log: Path, script: str | None = None) -> None:
        with log.open("ab") as output:
            done = subprocess.run(
                arguments,
                env=environment(),
                input=(script or "").encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        text = log.read_text(errors="replace")
        if done.returncode or " CRITICAL " in text or "Traceback (most recent" in text:
            raise RuntimeError(f"Odoo failed; the end of {log}:\n" + "\n".join(text.splitlines()[-40:]))

    def _pg(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([bin_dir() / program, *arguments], env=self.server.env(), check=True)

    def restore(self, name: str, database: str, data_dir: Path) -> None:
        """Makes `database`, and its files under `data_dir`, from a prepared database."""
        archive = self.build(name)
        self.server.create(database)
        self._pg("pg_restore", "--no-owner", "--no-acl", "-d", database, archive / "database.dump")
        filestore = data_dir / "filestore" / database
        filestore.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive / "filestore.tar") as tar:
            tar.extractall(filestore, filter="data")

    def instantiate(self, name: str, database: str, data_dir: Path, base_url: str) -> None:
        """Makes a new database with its own identity, as Odoo does when it duplicates one."""
        self.restore(name, database, data_dir)
        with self.server.cursor(database) as cursor:
            for key, value in {
                "database.uuid": str(uuid.uuid4()),
                "database.secret": str(uuid.uuid4()),
                "web.base.url": base_url,
                "web.base.url.freeze": "True",
            }.items():
                cursor.execute("DELETE FROM ir_config_parameter WHERE key = %s", (key,))
                cursor.execute("INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s)", (key, value))


class RpcError(Exception):
    """Odoo answered with an error."""

    # The texts of all errors, for tests that check that they contain no secrets.
    told: ClassVar[list[str]] = []

    def __init__(self, error: dict[str, Any]):
        self.told.append(json.dumps(error))
        data = error.get("data") or {}
        self.name = data.get("name", "")
        self.debug = data.get("debug", "")
        super().__init__(data.get("message") or error.get("message"))


class OdooClient:
    """Calls Odoo's models as one user, over the routes of Odoo's own pages."""

    def __init__(self, url: str, database: str, login: str, password: str):
        self.url, self.database, self.login, self.password = url, database, login, password
        self._session = requests.Session()
        self._session.trust_env = False
        opened = self.route("/web/session/authenticate", db=database, login=login, password=password)
        self.uid: int = opened["uid"]

    def session(self) -> requests.Session:
        """Returns the session, as a browser would have it."""
        return self._session

    def route(self, path: str, **params: Any) -> Any:
        """Calls a JSON route."""
        answer = self._session.post(
            f"{self.url}{path}", json={"jsonrpc": "2.0", "method": "call", "params": params}, timeout=120
        )
        answer.raise_for_status()
        body = answer.json()
        if "error" in body:
            raise RpcError(body["error"])
        return body.get("result")

    def execute(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a public method of a model."""
        return self.route(
            f"/web/dataset/call_kw/{model}/{method}", model=model, method=method, args=list(args), kwargs=kwargs
        )

    def create(self, model: str, **values: Any) -> int:
        (record_id,) = self.execute(model, "create", [values])
        return record_id

    def write(self, model: str, record_id: int, **values: Any) -> None:
        self.execute(model, "write", [record_id], values)

    def unlink(self, model: str, record_id: int) -> None:
        self.execute(model, "unlink", [record_id])

    def search_read(self, model: str, domain: list, fields: list[str], **kwargs: Any) -> list[dict[str, Any]]:
        return self.execute(model, "search_read", domain, fields, **kwargs)


class Odoo:
    """An Odoo server with one database."""

    def __init__(
        self,
        server: Postgres,
        database: str,
        run_dir: Path,
        data_dir: Path,
        port: int,
        host: str = "127.0.0.1",
        *,
        workers: int = 0,
        cron_threads: int = 1,
        launcher: Path | None = None,
        extra_env: dict[str, str] | None = None,
        site_addons: Path | None = None,
        addons_dir: Path = paths.ADDONS_DIR,
    ):
        self.server = server
        self.database = database
        self.data_dir = data_dir
        self.url = f"http://{host}:{port}"
        self.log = run_dir / "odoo.log"
        self._workers = workers
        self._cron_threads = cron_threads
        self._launcher = launcher
        self._site_addons = site_addons
        # Where our add-on is: the checkout's, or a copy that was unpacked from a release.
        self._addons_dir = addons_dir
        self._env = environment() | (extra_env or {})
        self._port = port
        self._config = run_dir / "odoo.conf"
        self._admin: OdooClient | None = None
        self._process: Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        if not self._process:
            raise RuntimeError("Odoo was not started")
        return self._process.pid

    @property
    def redirect_uri(self) -> str:
        """Returns the address that must be registered at Microsoft."""
        return f"{self.url}/microsoft_account/authentication"

    def start(self) -> None:
        write_config(
            self._config,
            self.server,
            self.data_dir,
            database=self.database,
            port=self._port,
            workers=self._workers,
            cron_threads=self._cron_threads,
            site_addons=self._site_addons,
            addons_dir=self._addons_dir,
        )
        self._process = Process(
            "Odoo",
            command(self._config, "server", launcher=self._launcher),
            self.log,
            env=self._env,
            stop_signal=signal.SIGTERM,
        )
        self._process.start()
        self._process.wait_until(self._healthy, timeout=180)
        # The first request to a database loads all of its modules.
        self._admin = self.client(*ADMIN)

    def update(self) -> None:
        """Updates the add-on in a stopped Odoo's database."""
        config = write_config(self._config, self.server, self.data_dir, database=self.database, port=self._port)
        with self.log.open("ab") as log:
            subprocess.run(
                [*command(config, "server", "-u", paths.ADDON), "--stop-after-init", "--no-http"],
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )

    def run_script(self, script: Path, **values: Any) -> Any:
        """Calls `run(env, given)` of a script in `odoo shell`, a separate process. Values and
        result are JSON."""
        with tempfile.NamedTemporaryFile("r", prefix="odoo-script-") as answer:
            call = (
                "\nimport json, pathlib\n"
                f"given = json.loads({json.dumps(values)!r})\n"
                f"pathlib.Path({answer.name!r}).write_text(json.dumps(run(env, given)))\n"
            )
            with self.log.open("ab") as log:
                subprocess.run(
                    command(
                        self._config,
                        "shell",
                        "--no-http",
                        "--workers=0",
                        "--max-cron-threads=0",
                        launcher=self._launcher,
                    ),
                    env=self._env,
                    input=(script.read_text() + call).encode(),
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    check=True,
                )
            text = answer.read()
        if not text:
            raise RuntimeError(f"{script.name} failed in Odoo: see {self.log}")
        return json.loads(text)

    def _healthy(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self._port}/web/health", timeout=10).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def client(self, login: str, password: str) -> OdooClient:
        return OdooClient(self.url, self.database, login, password)

    @property
    def admin(self) -> OdooClient:
        if not self._admin:
            self._admin = self.client(*ADMIN)
        return self._admin

    def query(self, statement: str, *values: Any) -> list[tuple]:
        """Reads or writes Odoo's tables directly."""
        return self.server.query(self.database, statement, *values)

    def create_user(self, name: str, login: str, password: str, tz: str = "Europe/Brussels") -> int:
        """Makes an internal user with this login and address, who may add contacts."""
        admin = self.admin
        user_id = admin.create("res.users", name=name, login=login, email=login, password=password, tz=tz)
        group = self._record(admin, "base.group_partner_manager")
        admin.write("res.users", user_id, group_ids=[[4, group, 0]])
        return user_id

    def _record(self, client: OdooClient, xml_id: str) -> int:
        """Returns the id of a record that a module defines."""
        module, name = xml_id.split(".")
        (row,) = client.search_read("ir.model.data", [["module", "=", module], ["name", "=", name]], ["res_id"])
        return row["res_id"]

    def run_cron(self, xml_id: str) -> None:
        """Runs a scheduled action now."""
        admin = self.admin
        try:
            admin.execute("ir.cron", "method_direct_trigger", [self._record(admin, xml_id)])
        except RpcError as error:
            # Odoo's own scheduler runs the job already.
            if "already executing" not in str(error):
                raise

    def change_module(self, change: str, name: str) -> None:
        """Installs or uninstalls an add-on (`install`, `uninstall`). Odoo refuses while one of its
        jobs runs."""
        admin = self.admin
        (module,) = admin.search_read("ir.module.module", [["name", "=", name]], ["id"])

        def done() -> bool:
            try:
                admin.execute("ir.module.module", f"button_immediate_{change}", [module["id"]])
            except RpcError as error:
                if "processing a scheduled action" not in str(error):
                    raise
                return False
            return True

        eventually(done, message=f"{name}: {change}")

    def log_has(self, *needles: str) -> list[str]:
        """Returns the lines of the log that contain any of these texts."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return [line for line in text.splitlines() if any(needle in line for needle in needles)]


def dumps(value: Any) -> str:
    """Returns JSON in a form for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
