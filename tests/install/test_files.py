"""Checks the files that the packages are made of, without making a package."""

import re
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tools import docs
from tools.stack import paths

PACKAGING = paths.PROJECT_ROOT / "packaging"
DOCKER = PACKAGING / "docker"
UNIT = PACKAGING / "systemd" / "outlook-bridge.service"
DEFAULTS = paths.PROJECT_ROOT / "config.default.toml"
# A setting of the defaults, or an example of one that has no default.
SETTING = re.compile(r"^(?:# )?([a-z_]+) = ", re.MULTILINE)
VENV = Path(sys.executable).parent


def run(*command: str | Path, **options: Any) -> str:
    """Returns what a command prints. Fails with it if the command fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def scripts() -> list[Path]:
    shell = [file for file in PACKAGING.rglob("*") if file.is_file() and file.read_bytes().startswith(b"#!/bin/")]
    return [*shell, paths.PROJECT_ROOT / "scripts/package.sh", paths.PROJECT_ROOT / "scripts/release.sh"]


def version() -> str:
    return tomllib.loads((paths.PROJECT_ROOT / "Cargo.toml").read_text())["package"]["version"]


def addon_version() -> str:
    manifest = (paths.ADDONS_DIR / paths.ADDON / "__manifest__.py").read_text()
    (found,) = re.findall(r'^ *"version": "(.*)",$', manifest, re.MULTILINE)
    return found


@pytest.fixture(scope="module")
def settings() -> str:
    return run(PACKAGING / "settings.sh", DEFAULTS)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(DOCKER / "compose.yaml")


def test_scripts_pass_shellcheck():
    assert len(scripts()) >= 8
    run(VENV / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR/..", *scripts())


def test_the_documents_are_of_this_version():
    """What packaging/README.md has set for a release."""
    service, addon = re.escape(version()), re.escape(addon_version())
    for document, line in (
        ("CHANGELOG.md", rf"## \[{service}\] - \d{{4}}-\d\d-\d\d"),
        ("README.md", rf"Version {service}\b.*"),
        ("docs/operations.md", rf"\| {service} \(this version\) \| \d+ \| {addon}, .*"),
    ):
        text = (paths.PROJECT_ROOT / document).read_text()
        assert re.search(rf"^{line}$", text, re.MULTILINE), f"{document} does not name this version"


# The settings


def test_every_line_of_the_packaged_settings_is_a_comment(settings: str):
    assert not [line for line in settings.splitlines() if line and not line.startswith("#")]


def test_the_packaged_settings_are_the_defaults_and_their_examples(settings: str):
    uncommented = re.sub(r"^#([a-z_]+ = )", r"\1", settings, flags=re.MULTILINE)
    packaged = tomllib.loads(uncommented)
    assert set(packaged) == set(SETTING.findall(DEFAULTS.read_text()))
    defaults = tomllib.loads(DEFAULTS.read_text())
    assert defaults
    assert {name: packaged[name] for name in defaults} == defaults


def test_the_packaged_settings_keep_the_explanations(settings: str):
    _, _, explained = DEFAULTS.read_text().partition("\n\n")
    prose = [line for line in explained.splitlines() if line.startswith("# ") and not SETTING.match(line)]
    assert len(prose) > 30
    assert [line for line in prose if line not in settings.splitlines()] == []
    assert "Pass a file like this" not in settings


# The unit


def test_systemd_understands_the_unit(tmp_path: Path):
    # The program is not installed where the tests run.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/outlook-bridge", shutil.which("true") or "/bin/true"))
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""


def test_systemd_understands_the_drop_in_of_the_guide(tmp_path: Path):
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/outlook-bridge", shutil.which("true") or "/bin/true"))
    (drop_in,) = docs.blocks((paths.PROJECT_ROOT / "docs/install/debian.md").read_text(), "ini")
    file = tmp_path / f"{UNIT.name}.d/override.conf"
    file.parent.mkdir()
    for text, is_right in ((drop_in, True), (drop_in.replace("LoadCredential", "LoadCredentials"), False)):
        file.write_text(text)
        assert (run("systemd-analyze", "verify", "--man=no", unit) == "") == is_right


def test_the_unit_is_as_closed_as_the_guide_says():
    guide = (paths.PROJECT_ROOT / "docs/install/debian.md").read_text()
    said = re.search(r"exposure level of \*\*(\d+\.\d)\*\*", guide)
    assert said, "docs/install/debian.md does not say the figure of systemd-analyze security"
    report = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    found = re.search(r"Overall exposure level for .*: (\d+\.\d)", report)
    assert found, report
    assert float(found[1]) <= float(said[1]), report


def test_the_unit_runs_what_the_package_contains():
    unit = UNIT.read_text()
    deb = tomllib.loads((paths.PROJECT_ROOT / "Cargo.toml").read_text())["package"]["metadata"]["deb"]
    installed = {
        "/" + target + (Path(source).name if target.endswith("/") else "") for source, target, _ in deb["assets"]
    }
    (start,) = re.findall(r"^ExecStart=(\S+) serve --config (\S+)$", unit, re.MULTILINE)
    assert set(start) <= installed
    document = re.search(r"^Documentation=file:///usr/share/doc/outlook-bridge/(\S+)$", unit, re.MULTILINE)
    assert document
    assert (paths.PROJECT_ROOT / "docs" / document[1]).is_file()
    key = re.search(r"^LoadCredential=master_key:(\S+)$", unit, re.MULTILINE)
    assert key
    postinst = (PACKAGING / "debian/postinst").read_text()
    assert f"CONFIG={Path(key[1]).parent}\n" in postinst
    assert f'"$CONFIG/{Path(key[1]).name}"' in postinst


# The image


def test_the_image_passes_hadolint():
    run(VENV / "hadolint", DOCKER / "Dockerfile")


def test_compose_yaml_fits_the_compose_specification():
    run(VENV / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / "compose.yaml")


def test_a_wrong_compose_file_does_not_fit(tmp_path: Path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((DOCKER / "compose.yaml").read_text().replace("restart: unless-stopped", "restart: [always]"))
    with pytest.raises(AssertionError, match="restart"):
        run(VENV / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong)


def test_compose_names_only_settings_that_exist(compose: dict[str, Any]):
    known = {f"OUTLOOK_BRIDGE_{name.upper()}" for name in SETTING.findall(DEFAULTS.read_text())}
    text = (DOCKER / "compose.yaml").read_text() + (DOCKER / "Dockerfile").read_text()
    named = set(re.findall(r"OUTLOOK_BRIDGE_[A-Z_]+", text))
    assert "OUTLOOK_BRIDGE_LISTEN" in named
    assert named <= known
    assert set(compose["services"]["bridge"]["environment"]) <= known


def test_the_guide_names_services_of_compose(compose: dict[str, Any]):
    guide = (paths.PROJECT_ROOT / "docs/install/docker.md").read_text()
    named = re.findall(r"docker compose (?:exec|restart) (\w+)", guide)
    assert len(named) >= 4
    assert set(named) <= set(compose["services"])


def test_compose_and_image_agree_on_ports(compose: dict[str, Any]):
    bridge = compose["services"]["bridge"]["environment"]
    exposed = re.findall(r"^EXPOSE (\d+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert [bridge["OUTLOOK_BRIDGE_LISTEN"].rpartition(":")[2]] == exposed
    defaults = tomllib.loads(DEFAULTS.read_text())
    assert defaults["listen"].rpartition(":")[2] == exposed[0]
    assert bridge["OUTLOOK_BRIDGE_ADMIN_LISTEN"] == defaults["admin_listen"]
    assert defaults["admin_listen"] in (DOCKER / "healthcheck.sh").read_text()


def test_every_service_says_when_it_is_healthy(compose: dict[str, Any]):
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert re.search(r"^HEALTHCHECK .*CMD \[\"outlook-bridge-health\"\]$", dockerfile, re.MULTILINE)
    assert " /usr/local/bin/outlook-bridge-health\n" in dockerfile
    for name, service in compose["services"].items():
        assert "healthcheck" in service or service.get("build") == ".", name


def test_the_image_is_of_this_version(compose: dict[str, Any]):
    assert compose["services"]["bridge"]["image"] == f"outlook-bridge:{version()}"


def test_every_file_of_the_image_is_in_its_archive(compose: dict[str, Any]):
    # packaging/docker as it is, and what scripts/package.sh adds.
    added = {"LICENSE", "THIRD-PARTY", "outlook-bridge"}
    package = (paths.PROJECT_ROOT / "scripts/package.sh").read_text()
    _, _, makes = package.partition("docker_context() {")
    assert all(re.search(rf"\b{name}\b", makes.partition("\n}")[0]) for name in (*added, "addons"))
    present = {file.name for file in DOCKER.iterdir()} | added
    copied = re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for names in copied for name in names.split()} <= present
    mounted = [
        volume.partition(":")[0].removeprefix("./")
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert len(mounted) == 2
    assert set(mounted) <= present | {"addons"}


def test_compose_uses_the_secrets_that_are_made(compose: dict[str, Any], tmp_path: Path):
    folder = shutil.copytree(DOCKER, tmp_path / "docker")
    run(folder / "make-secrets.sh")
    made = {f"./secrets/{file.name}" for file in (folder / "secrets").iterdir()}
    assert {secret["file"] for secret in compose["secrets"].values()} == made
    used = set()
    for service in compose["services"].values():
        for secret in service["secrets"]:
            used.add(secret if isinstance(secret, str) else secret["source"])
        for value in service["environment"].values():
            if str(value).startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert used == set(compose["secrets"])
    targets = {secret["target"] for secret in compose["services"]["bridge"]["secrets"]}
    config = (paths.PROJECT_ROOT / "src/config.rs").read_text()
    credentials = re.search(r"CREDENTIALS: &\[&str\] = &\[(.*?)\]", config)
    assert credentials
    assert targets == set(re.findall(r'"(\w+)"', credentials[1]))


def test_secrets_are_made_once(tmp_path: Path):
    folder = shutil.copytree(DOCKER, tmp_path / "docker")
    run(folder / "make-secrets.sh")
    secrets = folder / "secrets"
    assert secrets.stat().st_mode & 0o777 == 0o700
    before = {file.name: file.read_text() for file in secrets.iterdir()}
    assert len(set(before.values())) == len(before) == 4
    again = subprocess.run([folder / "make-secrets.sh"], capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "Nothing was changed" in again.stderr
    assert {file.name: file.read_text() for file in secrets.iterdir()} == before


@pytest.mark.parametrize(("status", "result"), [(200, 0), (503, 1), (None, 1)])
def test_the_health_check_believes_only_a_good_answer(status: int | None, result: int):
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/health/ready" and status else 404)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        address = f"127.0.0.1:{server.server_port}"
        if status:
            thread = threading.Thread(target=server.handle_request, daemon=True)
            thread.start()
        else:
            server.server_close()
        checked = subprocess.run(
            [DOCKER / "healthcheck.sh"],
            env={"OUTLOOK_BRIDGE_ADMIN_LISTEN": address},
            capture_output=True,
            check=False,
            timeout=30,
        )
    assert checked.returncode == result
