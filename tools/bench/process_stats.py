"""Figures of the kernel about a process (proc_pid_stat(5), proc_pid_status(5))."""

import contextlib
import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Returns the processor time of a process in seconds, user and system together, precise to 0.01 s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family_cpu_seconds(pid: int) -> float:
    """Returns the processor time of a process and its children, including those that have ended and were
    waited for.

    Children of threads other than the first are not found.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_and_ended = sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    total = own_and_ended
    for child in children:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += family_cpu_seconds(int(child))
    return total


def memory_mb(pid: int) -> dict[str, float]:
    """Returns the resident memory now (`VmRSS`) and at most (`VmHWM`), in MB of 1,000,000 bytes."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM")}


def machine() -> dict[str, float | int]:
    """Returns what the figures depend on."""
    total = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    return {
        "cores": os.cpu_count() or 0,
        "ram_gb": round(int(total.split()[1]) * 1024 / 1e9),
        "load_1_min": round(os.getloadavg()[0], 1),
    }
