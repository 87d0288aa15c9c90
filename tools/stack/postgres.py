"""Postgres for the harness: a private cluster, or the server that DATABASE_URL names."""

import getpass
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psycopg2
from psycopg2 import sql

from .process import Process, free_port

# Odoo refuses to run as the role `postgres`.
ROLE = "bridge"
UNPRIVILEGED_USER = "postgres"


def bin_dir() -> Path:
    """Returns the folder of the newest server programs on this machine."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[-3]), reverse=True
    )
    if candidates:
        return candidates[0].parent
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    raise RuntimeError("no Postgres server found: install the package postgresql, or set DATABASE_URL")


class Postgres:
    """A server on which databases are made."""

    def __init__(self, host: str, port: int, user: str, password: str, maintenance_db: str = "postgres"):
        self.host, self.port, self.user, self.password = host, port, user, password
        self.maintenance_db = maintenance_db

    def url(self, database: str) -> str:
        password = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgres://{quote(self.user, safe='')}{password}@{self.host}:{self.port}/{quote(database, safe='')}"

    def connect(self, database: str | None = None):
        return psycopg2.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password or None,
            dbname=database or self.maintenance_db,
        )

    def env(self) -> dict[str, str]:
        """Returns the environment with which Postgres' own programs reach this server."""
        env = dict(os.environ, PGHOST=self.host, PGPORT=str(self.port), PGUSER=self.user)
        env.pop("PGDATABASE", None)
        if self.password:
            env["PGPASSWORD"] = self.password
        return env

    @contextmanager
    def cursor(self, database: str):
        """Yields a cursor in one transaction."""
        with closing(self.connect(database)) as connection, connection, connection.cursor() as cursor:
            yield cursor

    def query(self, database: str, statement: str, *values) -> list[tuple]:
        with self.cursor(database) as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def _maintain(self, statement: sql.Composable) -> None:
        with closing(self.connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def exists(self, database: str) -> bool:
        return bool(self.query(self.maintenance_db, "SELECT 1 FROM pg_database WHERE datname = %s", database))

    def create(self, database: str, template: str = "template0") -> None:
        """Makes a database as Odoo does. Nothing may be connected to the template."""
        self._maintain(
            sql.SQL("CREATE DATABASE {} ENCODING 'unicode' LC_COLLATE 'C' TEMPLATE {}").format(
                sql.Identifier(database), sql.Identifier(template)
            )
            if template == "template0"
            else sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(database), sql.Identifier(template))
        )

    def drop(self, database: str) -> None:
        self._maintain(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))

    def rename(self, database: str, name: str) -> None:
        self._maintain(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(database), sql.Identifier(name)))

    def start(self) -> None:
        """Does nothing: somebody else runs this server."""

    def stop(self) -> None:
        """Does nothing: somebody else runs this server."""


class PrivatePostgres(Postgres):
    """A private cluster. If we are root, it runs as an unprivileged user, as Postgres requires."""

    def __init__(
        self,
        data_dir: Path,
        log: Path,
        *,
        port: int | None = None,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ):
        self.data_dir = data_dir
        self.log = log
        self.durable = durable
        self._settings = dict(settings or {})
        self._process: Process | None = None
        password_file = data_dir / "harness-password"
        password = password_file.read_text().strip() if password_file.exists() else secrets.token_urlsafe(18)
        super().__init__("127.0.0.1", port or free_port(), ROLE, password)

    def _prefix(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        # `pdeathsig` is set again here, as changing the user clears it.
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=INT"]

    def _initialize(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        # Files of a run that was interrupted while it made the cluster.
        for child in self.data_dir.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        with tempfile.NamedTemporaryFile("w") as password_file:
            password_file.write(self.password)
            password_file.flush()
            if os.geteuid() == 0:
                user = pwd.getpwnam(UNPRIVILEGED_USER)
                os.chown(self.data_dir, user.pw_uid, user.pw_gid)
                os.chown(password_file.name, user.pw_uid, user.pw_gid)
            subprocess.run(
                [
                    *self._prefix(),
                    bin_dir() / "initdb",
                    *("-D", self.data_dir, "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                    *("--auth=scram-sha-256", f"--pwfile={password_file.name}"),
                ],
                check=True,
                cwd="/",
                stdout=subprocess.DEVNULL,
            )
        (self.data_dir / "harness-password").write_text(self.password)
        (self.data_dir / "harness-password").chmod(0o600)

    def start(self) -> None:
        if not (self.data_dir / "harness-password").exists():
            self._initialize()
        settings = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "400",
            "shared_buffers": "256MB",
            "synchronous_commit": "off",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **self._settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = Process(
            "Postgres",
            [*self._prefix(), bin_dir() / "postgres", "-D", self.data_dir, *options],
            self.log,
            cwd=Path("/"),
            # A fast shutdown: it ends sessions and closes the cluster cleanly.
            stop_signal=signal.SIGINT,
        )
        self._process.start()
        self._process.wait_until(self._answers)

    @property
    def pid(self) -> int:
        """Returns the process whose children are the backends."""
        if not self._process:
            raise RuntimeError("Postgres was not started")
        return self._process.pid

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self._process:
            self._process.stop()


class ThrowAwayPostgres(PrivatePostgres):
    """A cluster that `stop` deletes."""

    def __init__(self, log: Path, settings: Mapping[str, str] | None = None):
        # In the system's temporary folder, which the unprivileged user can enter wherever the
        # checkout is.
        self._base = Path(tempfile.mkdtemp(prefix="outlook-bridge-pg-"))
        self._base.chmod(0o755)
        super().__init__(self._base / "data", log, settings=settings)

    def stop(self) -> None:
        super().stop()
        shutil.rmtree(self._base, ignore_errors=True)


class ExternalPostgres(Postgres):
    """The server that DATABASE_URL names. Its role must be allowed to create databases."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme not in ("postgres", "postgresql") or not parts.hostname:
            raise ValueError("DATABASE_URL must look like postgres://user:password@host:port/database")
        super().__init__(
            parts.hostname,
            parts.port or 5432,
            unquote(parts.username or getpass.getuser()),
            unquote(parts.password or ""),
            unquote(parts.path.lstrip("/")) or "postgres",
        )
        # The tests have no data that must be protected on a network.
        self._query = parts.query or "sslmode=prefer"

    def url(self, database: str) -> str:
        return f"{super().url(database)}?{self._query}"


def for_tests(log: Path) -> Postgres:
    """Returns the server for tests, not started yet."""
    url = os.environ.get("DATABASE_URL")
    return ExternalPostgres(url) if url else ThrowAwayPostgres(log)


def reachable_by_postgres(folder: Path) -> bool:
    """Whether the user that runs Postgres can enter `folder` (a home folder is often closed)."""
    if os.geteuid() != 0:
        return True
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    probe = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "test", "-x", folder]
    return subprocess.run(probe, cwd="/", check=False).returncode == 0
