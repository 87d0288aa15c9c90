"""An HTTPS proxy that connects Microsoft's host names to the simulator, and refuses all other names.

So the clients need no other base address: they call https://graph.microsoft.com as usual.
"""

import contextlib
import selectors
import socket
import socketserver
import threading

LOGIN = "login.microsoftonline.com"
GRAPH = "graph.microsoft.com"
NAMES = (LOGIN, GRAPH)


class _Handler(socketserver.StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        method, _, rest = self.rfile.readline(8192).decode("latin-1").partition(" ")
        target = rest.partition(" ")[0]
        while self.rfile.readline(8192).strip():
            pass
        if method != "CONNECT" or target not in [f"{name}:443" for name in NAMES]:
            self.server.refused.append(f"{method} {target}")
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(self.server.simulator, timeout=30) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                self._relay(far)

    def _relay(self, far: socket.socket) -> None:
        near = self.connection
        other = {near: far, far: near}
        with selectors.DefaultSelector() as waiting:
            for side in other:
                waiting.register(side, selectors.EVENT_READ)
            while True:
                for ready, _ in waiting.select():
                    data = ready.fileobj.recv(65536)
                    if not data:
                        return
                    other[ready.fileobj].sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    simulator: tuple[str, int]
    refused: list[str]


class Tunnel:
    """Listens on its own port until it is closed. `refused` lists the names that it refused."""

    def __init__(self, simulator: tuple[str, int]):
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.simulator = simulator
        self._server.refused = []
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def refused(self) -> list[str]:
        return self._server.refused

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
