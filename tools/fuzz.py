"""Fuzzing: `python -m tools.fuzz SECONDS [TARGET…]` builds and runs the targets of `fuzz/`, two at once.

Before that, the same checks run in a release build, with the seeds and thousands of random cases.
There, no step may take longer than 100 ms.

Inputs that fail are stored in `fuzz/artifacts`. Give such a file to the target's program to repeat
the failure.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .stack import paths

CARGO_FUZZ_VERSION = "0.13.2"
FOLDER = paths.PROJECT_ROOT / "fuzz"
LARGEST = 256 * 1024
DICTIONARIES = {"body": "html", "addresses": "json", "envelope": "json", "exchange": "json", "graph": "json"}


def programs() -> Path:
    """Returns the folder of the built targets, which cargo-fuzz names by the target triple."""
    version = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    triple = re.search(r"^host: (\S+)$", version, re.MULTILINE)[1]
    return FOLDER / "target" / triple / "release"


def run(target: str, seconds: int, kept: Path) -> tuple[bool, str]:
    """Returns whether the target ran without a finding, and what to print."""
    (kept / target).mkdir(parents=True, exist_ok=True)
    artifacts = FOLDER / "artifacts" / target
    artifacts.mkdir(parents=True, exist_ok=True)
    command = [
        *[str(programs() / target), str(kept / target), str(FOLDER / "corpus" / target)],
        *[f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=20", "-rss_limit_mb=2048"],
        *[f"-artifact_prefix={artifacts}/", "-print_final_stats=1"],
    ]
    if target in DICTIONARIES:
        command.append(f"-dict={FOLDER / DICTIONARIES[target]}.dict")
    if seed := os.environ.get("FUZZ_SEED"):
        command.append(f"-seed={seed}")
    ended = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, errors="replace", check=False)
    cases = re.search(r"number_of_executed_units: +(\d+)", ended.stderr)
    count = f"{int(cases[1]):,}" if cases else "some"
    if ended.returncode == 0:
        return True, f"{target}: {count} cases in {seconds} s, no findings"
    return False, f"{target}: a finding after {count} cases\n{ended.stderr[-4000:]}"


def timed() -> bool:
    """Whether all checks pass within their time limit, in a release build."""
    print("the checks in a release build, no look longer than 100 ms:", flush=True)
    command = ["cargo", "test", "--release", "--locked", "--quiet", "--package", "fuzz-checks", "--features", "timed"]
    command += ["--test", "cases", "--", "--nocapture", "--test-threads=1"]
    env = {"FUZZ_CASES": "2000"} | os.environ
    return subprocess.run(command, cwd=paths.PROJECT_ROOT, env=env, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=int)
    parser.add_argument("targets", nargs="*", default=sorted(path.name for path in (FOLDER / "corpus").iterdir()))
    parser.add_argument("--keep", type=Path, help="a folder for the cases that reach something new")
    arguments = parser.parse_args()
    if not timed():
        return 1
    subprocess.run([str(paths.PROJECT_ROOT / "scripts" / "cargo-fuzz.sh"), CARGO_FUZZ_VERSION], check=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        kept = arguments.keep or Path(folder)
        ended = [pool.submit(run, target, arguments.seconds, kept) for target in arguments.targets]
        results = [one.result() for one in ended]
    for _, words in results:
        print(words, flush=True)
    return 0 if all(is_well for is_well, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
