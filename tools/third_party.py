#!/usr/bin/env python3
"""Prints the licenses of the libraries in the program, with the texts that their packages contain."""

import json
import re
import subprocess
import textwrap
from collections import defaultdict
from pathlib import Path

NAMES = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments, "--locked"], capture_output=True, text=True, check=True).stdout


def host() -> str:
    """Returns the platform that this machine's compiler builds for."""
    told = subprocess.run(["rustc", "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    (platform,) = re.findall(r"^host: (\S+)$", told, re.MULTILINE)
    return platform


def linked(platform: str) -> set[tuple[str, str]]:
    """Returns names and versions of what is linked into the program, without itself."""
    tree = cargo(
        *("tree", "--package=outlook-bridge", f"--target={platform}"),
        *("--edges=normal,no-proc-macro", "--prefix=none", "--format={p}"),
    )
    crates = {tuple(line.replace(" v", " ").split()[:2]) for line in tree.splitlines() if line}
    return {crate for crate in crates if crate[0] != "outlook-bridge"}


def texts(folder: Path) -> list[str]:
    files = sorted(file for file in folder.iterdir() if file.is_file() and NAMES.match(file.name))
    return [file.read_text(errors="replace").replace("\r\n", "\n").strip("\n") for file in files]


def main() -> None:
    platform = host()
    wanted = linked(platform)
    packages = json.loads(cargo("metadata", "--format-version=1", f"--filter-platform={platform}"))["packages"]
    packages = sorted(
        (p for p in packages if (p["name"], p["version"]) in wanted), key=lambda p: (p["name"], p["version"])
    )
    if len(packages) != len(wanted):
        raise SystemExit("error: cargo tree and cargo metadata name different libraries")
    users: dict[str, list[str]] = defaultdict(list)
    print("The libraries in outlook-bridge, and their licenses\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        found = texts(Path(package["manifest_path"]).parent)
        for text in found:
            users[text].append(name)
        authors = "" if found else f" (no text in its package; by {', '.join(package['authors']) or 'unnamed authors'})"
        print(f"  {name}: {package['license'] or package['license_file']}{authors}")
    for text, names in users.items():
        print("\n" + "-" * 79)
        print(textwrap.fill(", ".join(names), 79, break_long_words=False, break_on_hyphens=False) + "\n")
        print(text)


if __name__ == "__main__":
    main()
