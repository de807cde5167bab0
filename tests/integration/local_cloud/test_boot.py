"""A machine that cannot configure itself says so on its console, with the reason, and serves nobody: on real machines of a running cloud."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.boot_record import objections
from ansible_collections.twine.platform.plugins.module_utils._images.trial import told
from tests.integration.local_cloud.conftest import Side, client, docker, local_cloud, until
from tools import checkout

PACKAGE = checkout.ROOT / "packages" / "twine-machine"
PATIENCE = 4
# The package as its rules lay it out, and an application that is started when the machine is configured. Its name is Twine's
# because the package puts itself before that.
DOCKERFILE = f"""FROM twine/base:bookworm
COPY twine_machine /usr/lib/twine-machine/twine_machine
COPY machine-config /usr/sbin/
COPY units /etc/systemd/system/
RUN groupadd twine && systemctl mask getty.target \\
 && sed -i '1i #!/usr/bin/python3 -IS' /usr/sbin/machine-config && chmod +x /usr/sbin/machine-config \\
 && systemctl enable machine-config machine-ready machine-refresh.path twine \\
 && mkdir /etc/systemd/system/machine-config.service.d \\
 && printf '[Service]\\nEnvironment=MACHINE_PATIENCE={PATIENCE}\\n' > /etc/systemd/system/machine-config.service.d/patience.conf
"""
SERVICE = "[Unit]\nAfter=machine-config.service\n[Service]\nExecStart=python3 -m http.server 80\n[Install]\nWantedBy=multi-user.target\n"
# One page of memory: the secret has room, what is written after that has not.
MOUNT = "[Unit]\\nBefore=machine-config.service\\n[Mount]\\nWhat=tmpfs\\nWhere=/run/machine\\nType=tmpfs\\nOptions=size=4k\\n"
FULL = f"""FROM {{image}}
RUN printf '{MOUNT}[Install]\\nWantedBy=local-fs.target\\n' > /etc/systemd/system/run-machine.mount && systemctl enable run-machine.mount
"""


def context() -> bytes:
    """What the image is built of, as a tar."""
    units = {path.name.removeprefix("twine-machine."): path.read_text() for path in (PACKAGE / "debian").glob("twine-machine.machine-*")}
    units["twine.service"] = SERVICE
    contents = {"Dockerfile": DOCKERFILE, "machine-config": (PACKAGE / "debian" / "machine-config").read_text()}
    contents |= {f"units/{name}": text for name, text in units.items() if not name.endswith(".manpages")}
    contents |= {f"twine_machine/{path.name}": path.read_text() for path in (PACKAGE / "src" / "twine_machine").glob("*.py")}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@dataclass
class Machines:
    """Machines beside that of the network dns, with its role, that are ended when the tests are."""

    side: Side
    images: dict[str, str]
    started: list[str]

    def start(self, *lines: str, image: str = "boot") -> str:
        """Start one with such user data; returns its id."""
        ec2 = client("dns", "ec2")
        [like] = ec2.describe_instances(InstanceIds=[self.side.outputs["Machine"]])["Reservations"][0]["Instances"]
        wish: dict[str, Any] = {"ImageId": self.images[image], "InstanceType": "t3.micro", "SubnetId": like["SubnetId"], "MinCount": 1, "MaxCount": 1}
        wish |= {"SecurityGroupIds": [self.side.outputs["Group"]], "IamInstanceProfile": {"Arn": like["IamInstanceProfile"]["Arn"]}}
        [made] = ec2.run_instances(**wish, **({"UserData": "\n".join(lines) + "\n"} if lines else {}))["Instances"]
        self.started.append(made["InstanceId"])
        return str(made["InstanceId"])

    def configuration(self) -> list[str]:
        """The lines of a machine that has all it needs."""
        return ["MACHINE_ROLE=twine", f"TWINE_DATABASE_SECRET_ARN={self.side.outputs['Secret']}", "AWS_ENDPOINT_URL=http://169.254.169.254:4566"]

    def console(self, machine: str) -> str:
        """What the machine's console says, by the API, when it has told how its boot went."""
        ec2 = client("dns", "ec2")

        def said() -> str:
            text = str(ec2.get_console_output(InstanceId=machine, Latest=True).get("Output", ""))
            return text if told(text) else ""

        return str(until(said, f"the console of {machine}"))

    def state(self, machine: str, unit: str) -> str:
        """What systemd says of a unit."""
        return docker("exec", f"{checkout.prefix()}-{machine}", "systemctl", "show", "--property=ActiveState", "--value", unit)


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, str]]:
    """A machine's image, and one whose memory for configuration is full."""
    tags = {name: f"{checkout.prefix()}/probe-{name}:test" for name in ("boot", "full")}
    labels = ("--label", checkout.label(), "--label", "twine.role=probe")
    docker("build", "--quiet", "--tag", tags["boot"], *labels, "-", stdin=context())
    docker("build", "--quiet", "--tag", tags["full"], *labels, "-", stdin=FULL.format(image=tags["boot"]).encode())
    yield {name: "ami-" + json.loads(docker("image", "inspect", tag))[0]["Id"].removeprefix("sha256:")[:17] for name, tag in tags.items()}
    docker("image", "rm", "--force", *reversed(tags.values()))


@pytest.fixture(scope="module")
def machines(sides: dict[str, Side], images: dict[str, str]) -> Iterator[Machines]:
    found = Machines(sides["dns"], images, [])
    yield found
    ec2 = client("dns", "ec2")
    ec2.terminate_instances(InstanceIds=found.started)
    until(
        lambda: not set(docker("ps", "--all", "--format", "{{.Names}}").split()) & {f"{checkout.prefix()}-{one}" for one in found.started}, "its end"
    )


CASES: dict[str, tuple[Callable[[Machines], str], str]] = {
    "no user data": (lambda it: it.start(), "Failed to read the user data: this instance has none. Launch it with KEY=VALUE lines as its user data."),
    "a parameter that is not there": (
        lambda it: it.start(*it.configuration(), "TWINE_SEARCH_CA_PARAMETER=/not/there"),
        f"Failed to fetch the parameter /not/there (TWINE_SEARCH_CA_PARAMETER) within {PATIENCE} s: the service answers",
    ),
    "a secret of another": (
        lambda it: it.start(*it.configuration(), f"TWINE_SEARCH_SECRET_ARN={it.side.outputs['Other']}"),
        "the service answers AccessDeniedException. See whether it exists in eu-west-2 and the machine's role may secretsmanager:GetSecretValue it.",
    ),
    "no room": (lambda it: it.start(*it.configuration(), image="full"), "Failed to configure: [Errno 28] No space left on device"),
}


@pytest.fixture(scope="module")
def broken(machines: Machines) -> dict[str, str]:
    """All of them, started at once."""
    return {name: start(machines) for name, (start, _said) in CASES.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_machine_that_cannot_configure_itself_says_why_and_serves_nobody(machines: Machines, broken: dict[str, str], case: str) -> None:
    console = machines.console(broken[case])

    assert CASES[case][1] in " ".join(console.split()), console
    assert (machines.state(broken[case], "machine-config"), machines.state(broken[case], "twine")) == ("failed", "inactive")
    assert any("could not configure itself" in sentence for sentence in objections(told(console), {})), "it would not be promoted"


def test_a_slow_metadata_service_is_waited_for_as_long_as_patience_lasts(machines: Machines) -> None:
    try:
        local_cloud("fault", "slow", "--action", "metadata", "--seconds", "0.3")
        slow = machines.start(*machines.configuration())
        record = told(machines.console(slow))
        local_cloud("fault", "slow", "--action", "metadata", "--seconds", str(PATIENCE + 2))
        slower = machines.start(*machines.configuration())
        console = machines.console(slower)
    finally:
        local_cloud("fault", "clear")

    assert record["outcome"] == "configured" and machines.state(slow, "twine") == "active"
    folder = "/run/machine/secrets"
    secrets = docker("exec", f"{checkout.prefix()}-{slow}", "stat", "--format", "%a %U %G %n", folder, f"{folder}/database").splitlines()
    assert secrets == [f"750 root twine {folder}", f"640 root twine {folder}/database"]
    assert f"Failed to read user-data of the metadata service within {PATIENCE} s: 169.254.169.254 did not answer in time" in console
    assert machines.state(slower, "twine") == "inactive"
