"""A proxy between Odoo and the service that can lose requests or answers, as networks do."""

import threading
from collections.abc import Callable
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

VERSIONS = ("X-Bridge-Api-Lowest", "X-Bridge-Api")


class Loss(Enum):
    REQUEST = "the service never hears of it"
    ANSWER = "the service has done it, Odoo never hears of it"


class Proxy:
    """Forwards requests to the service, except those that it was told to lose."""

    def __init__(self, target: str):
        self.target = target
        self.lost: list[bytes] = []
        # The versions of the exchange that the service seems to understand, the lowest and the latest.
        # Without them, the service's own.
        self.versions: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._rule: tuple[Loss, Callable[[bytes], bool], int] | None = None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                loss = proxy._strike(body)
                if loss is Loss.REQUEST:
                    self.close_connection = True
                    return
                session = requests.Session()
                session.trust_env = False
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                try:
                    answer = session.post(proxy.target + self.path, data=body, headers=headers, timeout=60)
                except requests.RequestException:
                    self.close_connection = True
                    return
                if loss is Loss.ANSWER:
                    self.close_connection = True
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(answer.content)))
                own = [answer.headers.get(name) for name in VERSIONS]
                for name, version in zip(VERSIONS, proxy.versions or own, strict=True):
                    if version is not None:
                        self.send_header(name, str(version))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """The service logs its own requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def lose(self, loss: Loss, matching: Callable[[bytes], bool] = lambda _: True, times: int = 1) -> None:
        """Loses the next `times` calls whose body matches."""
        with self._lock:
            self.lost = []
            self._rule = (loss, matching, times)

    def heal(self) -> None:
        with self._lock:
            self._rule = None

    def _strike(self, body: bytes) -> Loss | None:
        with self._lock:
            if not self._rule:
                return None
            loss, matching, times = self._rule
            if not matching(body):
                return None
            self.lost.append(body)
            self._rule = (loss, matching, times - 1) if times > 1 else None
            return loss

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
