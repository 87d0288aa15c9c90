"""What strangers at the door, or one loud database, cost a quiet one.

`python tools/with_postgres.py -- python -m tools.bench.door` runs the service (`--profile release` or `debug`, built
before) and asks for the `status` of one paired database ten times a second: first with nothing else going on, then
under each attack. Prints the times and the service's memory.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from tools.stack.process import free_port
from tools.stack.service import Service

from .process_stats import machine, memory_mb

HOST = "127.0.0.1"
# Strangers come from another address than the databases.
STRANGERS = "127.0.0.9"
SECONDS = 20


class Database:
    """A database of the service, as its add-on calls."""

    def __init__(self, port: int):
        self.port = port
        self.uuid = str(uuid.uuid4())
        self.key = ""
        self.nonce = ""

    async def call(self, model: str, method: str, key: str | None = None, **kwargs) -> dict:
        args = [self.uuid, 1, key or self.key, model, method, [], kwargs]
        body = {"jsonrpc": "2.0", "method": "call", "id": 1, "params": {"service": "object", "method": "execute_kw"}}
        body["params"]["args"] = args
        headers = {} if key else {"Authorization": f"Bearer {self.key}", "X-Odoo-Database": self.uuid}
        head, answer = await post(self.port, json.dumps(body).encode(), headers)
        if b" 200 " not in head.splitlines()[0]:
            raise RuntimeError(head.decode())
        return json.loads(answer)

    async def pair(self, code: str) -> None:
        answer = await self.call(
            "outlook.bridge", "pair", code, name="bench", base_url="https://odoo.example.com", series="19.0"
        )
        self.key, self.nonce = answer["result"]["api_key"], answer["result"]["nonce"]

    async def status(self) -> float:
        began = time.perf_counter()
        answer = await self.call("outlook.bridge", "status")
        assert "result" in answer, answer
        return time.perf_counter() - began

    async def exchange(self, changes: list[dict]) -> None:
        """The same call over and over, as of an Odoo whose answers are lost."""
        await self.call(
            "calendar.event",
            "sync",
            nonce=self.nonce,
            next_nonce=f"{self.nonce}+",
            changes=changes,
            call=1,
            existing_left=[],
        )


async def post(port: int, body: bytes, headers: dict[str, str], local: str | None = None) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection(HOST, port, local_addr=(local, 0) if local else None)
    try:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


async def slow_connections(port: int) -> None:
    """300 connections with one byte of a body each, opened again whenever they are closed."""

    async def one() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, port, local_addr=(STRANGERS, 0))
                writer.write(b"POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
                await reader.read()
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.05)

    await asyncio.gather(*(one() for _ in range(300)))


async def bombs(port: int) -> None:
    """Sixteen at once: half a megabyte that would be half a gigabyte."""
    bomb = gzip.compress(b"[" * 500_000_000, 9)

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                await post(port, bomb, {"Content-Encoding": "gzip"}, STRANGERS)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(one() for _ in range(16)))


async def bad_keys(port: int, each_second: int = 1000) -> None:
    """So many wrong keys a second, each in a request of its own, of one address."""
    made = 0
    began = time.perf_counter()

    async def one() -> None:
        with contextlib.suppress(OSError):
            await post(port, b"{}", {"Authorization": f"Bearer {made}", "X-Odoo-Database": "x"}, STRANGERS)

    tasks: set[asyncio.Task] = set()
    try:
        while True:
            due = int((time.perf_counter() - began) * each_second)
            while made < due and len(tasks) < 500:
                made += 1
                task = asyncio.create_task(one())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.005)
    finally:
        print(f"  bad keys: {made / (time.perf_counter() - began):.0f} a second", flush=True)


async def loud(databases: list[Database]) -> None:
    """40 parallel exchanges of one database, each of which tells 100 events."""

    async def one(database: Database, at: int) -> None:
        while True:
            changes = [
                {"id": n, "kind": "tombstone", "cause": "save", "model": "calendar.event", "res_id": at * 1000 + n}
                for n in range(100)
            ]
            with contextlib.suppress(OSError, RuntimeError):
                await database.exchange(changes)

    await asyncio.gather(*(one(databases[0], at) for at in range(40)))


async def measured(quiet: Database, service: Service, attack: Callable[[], Awaitable[None]] | None) -> dict[str, float]:
    task = asyncio.ensure_future(attack()) if attack else None
    await asyncio.sleep(2)
    times, highest = [], 0.0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        times.append(await quiet.status())
        highest = max(highest, memory_mb(service.pid)["VmRSS"])
        await asyncio.sleep(0.1)
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98], "rss_mb": highest, "calls": len(times)}


async def run(service: Service, port: int) -> dict[str, dict[str, float]]:
    quiet, noisy = Database(port), Database(port)
    await quiet.pair(service.enroll())
    await noisy.pair(service.enroll())
    attacks: dict[str, Callable[[], Awaitable[None]] | None] = {
        "nothing": None,
        "300 slow connections": lambda: slow_connections(port),
        "gzip bombs": lambda: bombs(port),
        "1,000 bad keys a second": lambda: bad_keys(port),
        "all three": lambda: asyncio.gather(slow_connections(port), bombs(port), bad_keys(port)),
        "40 exchanges of another database": lambda: loud([noisy]),
    }
    results = {}
    for name, attack in attacks.items():
        results[name] = await measured(quiet, service, attack)
        line = ", ".join(f"{what} {value:.1f}" for what, value in results[name].items())
        print(f"{name}: {line}", flush=True)
        await asyncio.sleep(6)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="release", choices=("release", "debug"))
    options = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="outlook-bridge-") as folder:
        port = free_port()
        service = Service(
            port=port,
            admin_port=free_port(),
            database_url=os.environ["TEST_DATABASE_URL"],
            data_dir=Path(folder) / "data",
            run_dir=Path(folder),
            graph_url="http://127.0.0.1:1/v1.0",
            login_url="http://127.0.0.1:1",
            profile=options.profile,
        )
        service.start()
        try:
            asyncio.run(run(service, port))
        finally:
            service.stop()


if __name__ == "__main__":
    main()
