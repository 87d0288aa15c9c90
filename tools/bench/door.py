"""Measures what strangers' calls, or one busy database, cost another database.

`python tools/with_postgres.py -- python -m tools.bench.door` runs the service (`--profile release`
or `debug`, built before) and asks for the `status` of one paired database ten times a second: first
without other load, then under each attack. The attackers are separate processes with `--nice 19`:
they use only idle processor time, as attackers on another machine would. It prints the times, the
service's memory, and the processor time of the service and the attackers.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import multiprocessing
import os
import signal
import statistics
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

from tools.stack.process import free_port
from tools.stack.service import Service

from .process_stats import cpu_seconds, machine, memory_mb

HOST = "127.0.0.1"
# Strangers have another address than the databases.
STRANGERS = "127.0.0.9"
SECONDS = 20


class Database:
    """A database of the service, which calls it as the add-on does."""

    def __init__(self, port: int):
        self.port = port
        self.uuid = str(uuid.uuid4())
        self.key = ""
        self.nonce = ""

    async def call(self, model: str, method: str, key: str | None = None, uid: int = 1, **kwargs) -> dict:
        args = [self.uuid, uid, key or self.key, model, method, [], kwargs]
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
        """Repeats the same call, as an Odoo does that gets no answers."""
        await self.call(
            "calendar.event",
            "sync",
            nonce=self.nonce,
            next_nonce=f"{self.nonce}+",
            changes=changes,
            call=1,
            existing_left=[],
        )


async def post(
    port: int, body: bytes, headers: dict[str, str], local: str | None = None, path: str = "/jsonrpc"
) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_connection(HOST, port, local_addr=(local, 0) if local else None)
    try:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        answer = await reader.read()
    finally:
        writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return head, rest


async def slow_connections(port: int) -> None:
    """Opens 300 connections that send one byte of a body each, and opens them again when they are
    closed."""

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
    """Sends sixteen at once: half a megabyte that decompresses to half a gigabyte."""
    bomb = gzip.compress(b"[" * 500_000_000, 9)

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                await post(port, bomb, {"Content-Encoding": "gzip"}, STRANGERS)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(one() for _ in range(16)))


async def bad_keys(port: int, each_second: int = 1000) -> None:
    """Sends this many wrong keys a second from one address, each in a request of its own."""
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
    """Runs 40 parallel exchanges of one database, each with 100 events."""

    async def one(database: Database, at: int) -> None:
        while True:
            changes = [
                {"model": "calendar.event", "res_id": at * 1000 + n, "rows": [{"id": n, "cause": "save"}]}
                for n in range(100)
            ]
            with contextlib.suppress(OSError, RuntimeError):
                await database.exchange(changes)

    await asyncio.gather(*(one(databases[0], at) for at in range(40)))


def attack(attackers: Callable[[], Awaitable[None]], nice: int) -> None:
    """Runs an attacking process."""

    async def until_terminated() -> None:
        task = asyncio.ensure_future(attackers())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    os.nice(nice)
    asyncio.run(until_terminated())


async def measured(
    quiet: Database, service: Service, attacks: list[Callable[[], Awaitable[None]]], nice: int
) -> dict[str, float]:
    start = multiprocessing.get_context("fork").Process
    attackers = [start(target=attack, args=(one, nice), daemon=True) for one in attacks]
    for process in attackers:
        process.start()
    # The bombs are compressed first.
    await asyncio.sleep(5 if attackers else 1)
    times, highest = [], 0.0
    pids = [process.pid for process in attackers if process.pid]
    began, used, used_by_attackers = time.monotonic(), cpu_seconds(service.pid), sum(map(cpu_seconds, pids))
    while time.monotonic() < began + SECONDS:
        times.append(await quiet.status())
        highest = max(highest, memory_mb(service.pid)["VmRSS"])
        await asyncio.sleep(0.1)
    took = time.monotonic() - began
    used = cpu_seconds(service.pid) - used
    used_by_attackers = sum(map(cpu_seconds, pids)) - used_by_attackers
    for process in attackers:
        process.terminate()
        process.join()
    cuts = statistics.quantiles(times, n=100)
    return {
        "p50_ms": 1000 * cuts[49],
        "p99_ms": 1000 * cuts[98],
        "highest_ms": 1000 * max(times),
        "rss_mb": highest,
        "calls": len(times),
        "service_cpu_percent": 100 * used / took,
        "attackers_cpu_percent": 100 * used_by_attackers / took,
    }


async def run(service: Service, port: int, nice: int) -> None:
    quiet, noisy = Database(port), Database(port)
    await quiet.pair(service.enroll())
    await noisy.pair(service.enroll())
    slow, bomb, wrong = (lambda: slow_connections(port)), (lambda: bombs(port)), (lambda: bad_keys(port))
    attacks: dict[str, list[Callable[[], Awaitable[None]]]] = {
        "nothing": [],
        "300 slow connections": [slow],
        "gzip bombs": [bomb],
        "1,000 bad keys a second": [wrong],
        "all three": [slow, bomb, wrong],
        "40 exchanges of another database": [lambda: loud([noisy])],
        "nothing again": [],
    }
    for name, attackers in attacks.items():
        result = await measured(quiet, service, attackers, nice)
        print(f"{name}: " + ", ".join(f"{what} {value:.1f}" for what, value in result.items()), flush=True)
        await asyncio.sleep(6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="release", choices=("release", "debug"))
    parser.add_argument("--nice", type=int, default=0, help="how nice the attackers are")
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
            asyncio.run(run(service, port, options.nice))
        finally:
            service.stop()


if __name__ == "__main__":
    main()
