"""A secured node with an identity of its own, whose data outlives the machine's power."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest
from testinfra.host import Host

NODE = "https://localhost:9200"


def ask(host: Host, arguments: str, user: str = "elastic:molecule-search") -> str:
    """Ask the node, trusting its published authority only."""
    return str(host.check_output(f"curl --silent --cacert /etc/elasticsearch/certs/ca.crt --user '{user}' {arguments}"))


def wait_until_ready(host: Host) -> None:
    """Wait with the role's own helper."""
    host.check_output("python3 -I /usr/lib/elasticsearch/ready.py --seconds 180")


@pytest.fixture(scope="module", autouse=True)
def document(host: Host) -> None:
    """Have a document that was acknowledged."""
    body = "--header 'Content-Type: application/json' --data '{\"description\": \"Taxi to Paddington\"}'"
    answer = json.loads(ask(host, f"--request PUT {body} '{NODE}/claims/_doc/1?refresh=true'"))
    assert answer["result"] in {"created", "updated"}


def test_finds_what_was_indexed(host: Host) -> None:
    """Full-text search works over TLS, under the name localhost."""
    assert json.loads(ask(host, f"'{NODE}/claims/_search?q=description:paddington'"))["hits"]["total"]["value"] == 1


@pytest.mark.parametrize("user", ["elastic:wrong", "elastic:changeme", "nobody:"])
def test_strangers_are_refused(host: Host, user: str) -> None:
    """The machine's secret is the only password."""
    assert ask(host, f"--output /dev/null --write-out '%{{http_code}}' {NODE}/_cluster/health", user) == "401"


def test_plain_http_is_refused(host: Host) -> None:
    """No password travels in clear."""
    assert host.run("curl --silent --fail http://localhost:9200/_cluster/health").rc != 0


def test_certificate_names_the_machine(host: Host) -> None:
    """Others reach it by its name and its address, and can check both."""
    name = host.check_output("hostname")
    address = host.check_output("hostname --ip-address").split()[0]
    certificate = host.check_output("openssl x509 -in /etc/elasticsearch/certs/node.crt -noout -ext subjectAltName")
    assert f"DNS:{name}" in certificate
    assert f"IP Address:{address}" in certificate
    for port in (9200, 9300):
        chain = host.check_output(f"openssl s_client -connect {address}:{port} -CAfile /etc/elasticsearch/certs/ca.crt < /dev/null 2>&1 || true")
        assert "Verify return code: 0 (ok)" in chain, port


def test_secrets_are_nobodys_to_read(host: Host) -> None:
    """Keys are the node's own; the password is in no argument list and in no log."""
    assert host.file("/etc/elasticsearch/certs/node.key").mode == 0o640
    assert host.file("/var/lib/elasticsearch/identity").mode == 0o700
    assert host.file("/etc/elasticsearch/elasticsearch.keystore").mode == 0o660
    assert "molecule-search" not in host.check_output("ps -e -o args")
    assert "molecule-search" not in host.check_output("journalctl --output cat")


def test_first_boot_leaves_alone_what_is_true(host: Host) -> None:
    """Run again it changes nothing, as before every start."""
    before = host.check_output("sha256sum /etc/elasticsearch/elasticsearch.keystore /etc/elasticsearch/certs/*")
    said = host.check_output("python3 -I /usr/lib/elasticsearch/first_boot.py")
    assert said == "password: as it was; certificate: as it was; authority: published nowhere"
    assert host.check_output("sha256sum /etc/elasticsearch/elasticsearch.keystore /etc/elasticsearch/certs/*") == before


def test_kernel_is_the_hosts(host: Host) -> None:
    """No memory maps, and so no vm.max_map_count: in a container it would be the host's."""
    settings = json.loads(ask(host, f"'{NODE}/_nodes/settings?filter_path=nodes.*.settings.node'"))
    assert "false" in json.dumps(settings["nodes"])
    assert not host.file("/etc/sysctl.d/70-elasticsearch.conf").exists


def test_acknowledged_data_survives_loss_of_power(host: Host) -> None:
    """The container is killed and started again: same data, same authority."""
    authority = host.check_output("cat /etc/elasticsearch/certs/ca.crt")
    container = host.backend.name
    subprocess.run(["docker", "kill", container], check=True, capture_output=True)
    subprocess.run(["docker", "start", container], check=True, capture_output=True)
    wait_until_ready(host)
    assert json.loads(ask(host, f"{NODE}/claims/_doc/1"))["found"] is True
    assert host.check_output("cat /etc/elasticsearch/certs/ca.crt") == authority


def test_health_check_tells_at_once_that_the_node_does_not_run(host: Host, health_check: Callable[[], str]) -> None:
    """It waits for one that starts, and for no other."""
    host.check_output("systemctl stop elasticsearch")
    assert "elasticsearch.service is inactive" in health_check()

    settings = "/etc/elasticsearch/elasticsearch.yml"
    host.check_output(f"cp --preserve=all {settings} {settings}.kept && echo 'no.such.setting: true' >>{settings}")
    host.check_output("systemctl start --no-block elasticsearch")
    said = health_check()
    host.check_output(f"mv {settings}.kept {settings}; systemctl restart --no-block elasticsearch")
    assert "elasticsearch.service fails while it starts, and is started again" in said
    assert health_check() == ""
