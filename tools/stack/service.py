"""The service under test: `outlook-bridge serve`, its command line, and ways to disturb it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import requests

from . import paths
from .odoo import environment
from .process import Process


class Service:
    """One `outlook-bridge` with its settings. It can be stopped, killed and started again."""

    def __init__(
        self,
        *,
        port: int,
        admin_port: int,
        database_url: str,
        data_dir: Path,
        run_dir: Path,
        graph_url: str,
        login_url: str,
        profile: str = "debug",
    ):
        self.url = f"http://127.0.0.1:{port}"
        self.admin_url = f"http://127.0.0.1:{admin_port}"
        self.log = run_dir / "outlook-bridge.log"
        self._program = paths.binary("outlook-bridge", profile)
        # Simulated mailboxes can be asked often.
        self.poll_seconds = 1
        # Whether the simulator notifies of changes, through Odoo.
        self.notifications = False
        # More settings, by their names in config.default.toml.
        self.settings: dict[str, str | int] = {}
        self.master_key = data_dir / "master.key"
        self._env = environment() | {
            "OUTLOOK_BRIDGE_LISTEN": f"127.0.0.1:{port}",
            "OUTLOOK_BRIDGE_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
            "OUTLOOK_BRIDGE_DATABASE_URL": database_url,
            "OUTLOOK_BRIDGE_DATA_DIR": str(data_dir),
            "OUTLOOK_BRIDGE_GRAPH_URL": graph_url,
            "OUTLOOK_BRIDGE_LOGIN_URL": login_url,
        }
        self._process: Process | None = None
        # All pairing codes that were printed.
        self.codes: list[str] = []

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        if not self._process:
            raise RuntimeError("outlook-bridge was not started")
        return self._process.pid

    def start(self) -> None:
        settings: dict[str, str | int] = {
            "poll_seconds": self.poll_seconds,
            "poll_seconds_quiet": self.poll_seconds,
            "notifications": str(self.notifications).lower(),
        } | self.settings
        env = self._env | {f"OUTLOOK_BRIDGE_{name.upper()}": str(value) for name, value in settings.items()}
        self._process = Process("outlook-bridge", [self._program, "serve"], self.log, env=env, cwd=Path("/"))
        self._process.start()
        self._process.wait_until(self.ready)

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.admin_url}/health/ready", timeout=5).ok
        except requests.RequestException:
            return False

    def metric(self, name: str) -> int:
        """Returns a counter of `/metrics`, summed over its labels."""
        lines = requests.get(f"{self.admin_url}/metrics", timeout=10).text.splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if re.match(rf"{name}\b", line))

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def kill(self) -> None:
        """Sends SIGKILL, so that the service cannot write anything more."""
        if self._process:
            self._process.kill()

    def run(self, *arguments: str) -> str:
        """Runs a command of the service's command line, and returns its standard output."""
        done = subprocess.run(
            [self._program, *arguments],
            env=self._env,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"outlook-bridge {' '.join(arguments)} failed:\n{done.stderr}")
        return done.stdout

    def enroll(self, again: str | None = None) -> str:
        """Returns a new one-time code, for a new database or for a known one with this name."""
        self.codes.append(self.run("enroll", *(["--again", again] if again else [])).strip())
        return self.codes[-1]

    def post(self, body: bytes | str | dict | list, path: str = "/jsonrpc", **headers: str) -> requests.Response:
        """Posts a body as it is, or as JSON."""
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        session = requests.Session()
        session.trust_env = False
        return session.post(
            f"{self.url}{path}", data=body, headers={"Content-Type": "application/json", **headers}, timeout=60
        )

    def call(
        self, database: str, uid: int, key: str, model: str, method: str, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Calls a method as the add-on does, without checking the answer."""
        return self.post(
            {
                "jsonrpc": "2.0",
                "method": "call",
                "id": 1,
                "params": {
                    "service": "object",
                    "method": "execute_kw",
                    "args": [database, uid, key, model, method, list(args), kwargs],
                },
            },
            **({} if method == "pair" else {"Authorization": f"Bearer {key}", "X-Odoo-Database": database}),
        )
