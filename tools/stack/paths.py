"""Paths: the checkout, the cache folder that set-up fills, and Odoo."""

import os
import shutil
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
ADDONS_DIR = PROJECT_ROOT / "odoo_addon"
ADDON = "microsoft_calendar_bridge"


def cache_dir() -> Path:
    """Returns the folder that scripts/lib.sh calls CACHE_DIR."""
    named = os.environ.get("OUTLOOK_BRIDGE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "outlook-bridge"


def odoo_python_path() -> Path:
    """Returns the folder that contains the Python package `odoo`."""
    named = os.environ.get("ODOO_HOME")
    if named:
        return Path(named)
    return cache_dir() / "odoo-19.0/usr/lib/python3/dist-packages"


def prometheus(name: str) -> Path:
    """Returns a program of Prometheus: the machine's own if it has all, otherwise what set-up has
    unpacked."""
    found = [shutil.which(program) for program in ("prometheus", "promtool")]
    return Path(found[0]).parent / name if all(found) and found[0] else cache_dir() / "prometheus/usr/bin" / name


def cargo_target_dir() -> Path:
    """Returns the folder for what cargo builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", PROJECT_ROOT / "target"))


def schema() -> Path:
    """Returns the file of Microsoft's schema of the calendar's types, with which the tests check
    requests and answers.

    The schema is Microsoft's and not part of the project, so the file may be absent.
    """
    named = os.environ.get("GRAPH_SIM_SCHEMA")
    return Path(named).absolute() if named else (PROJECT_ROOT.parent / "shared/msgraph-calendar.csdl.xml")


def binary(name: str, profile: str = "debug") -> Path:
    """Returns a program of the workspace, built by `cargo build`, or by `cargo build --release` for
    `release`."""
    path = cargo_target_dir() / profile / name
    if not path.exists():
        option = " --release" if profile == "release" else ""
        raise FileNotFoundError(f"{path} is missing: run `cargo build --workspace{option}` first")
    return path
