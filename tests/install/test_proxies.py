"""The examples of docs/network.md are read by the programs that they are for."""

from collections.abc import Callable

import pytest

from tools import docs
from tools.stack import paths

from .machine import Machine

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

HOSTS = ("odoo.example.com", "bridge.example.com")


def examples(language: str) -> list[str]:
    return list(docs.blocks((paths.PROJECT_ROOT / "docs/network.md").read_text(), language))


def test_nginx_and_caddy_read_the_examples(make_machine: Callable[..., Machine]):
    machine = make_machine()
    machine.run("apt-get -qq update; apt-get -y --no-install-recommends install nginx caddy openssl")

    nginx = examples("nginx")
    assert len(nginx) == len(HOSTS)
    machine.path("/etc/nginx/conf.d/examples.conf").write_text("\n".join(nginx))
    for host in HOSTS:
        folder = f"/etc/letsencrypt/live/{host}"
        machine.run(
            f"mkdir -p {folder}; openssl req -x509 -newkey rsa:2048 -nodes -subj /CN={host}"
            f" -keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
        )
    machine.run("nginx -t")
    machine.run("echo 'proxy_pas http://127.0.0.1;' > /etc/nginx/conf.d/wrong.conf")
    assert machine.run("nginx -t", check=False).returncode != 0

    caddy = [example for example in examples("") if "reverse_proxy" in example]
    assert len(caddy) == len(HOSTS)
    read = "caddy validate --adapter caddyfile --config"
    machine.path("/root/Caddyfile").write_text("\n".join(caddy))
    machine.run(f"{read} /root/Caddyfile")
    machine.path("/root/wrong").write_text("\n".join(caddy).replace("reverse_proxy", "reverse_prox"))
    assert machine.run(f"{read} /root/wrong", check=False).returncode != 0
