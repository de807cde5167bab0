"""What `machine-config` does to a machine, with its services on loopback."""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from services_on_loopback import Cloud
from twine_machine import files, observe
from twine_machine.__main__ import main
from twine_machine.paths import Paths

ROLE = grp.getgrgid(os.getegid()).gr_name
USER = pwd.getpwuid(os.geteuid())
ARN = "arn:aws:secretsmanager:eu-west-2:111111111111:secret:database-AbCdEf"


@pytest.fixture
def paths(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return an empty machine that finds its services."""
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", cloud.url)
    monkeypatch.setenv("MACHINE_PATIENCE", "5")
    (tmp_path / USER.pw_dir.lstrip("/")).mkdir(parents=True)
    return Paths(tmp_path)


@pytest.fixture
def impatient(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after half a second; `paths` has set a longer time before."""
    monkeypatch.setenv("MACHINE_PATIENCE", "0.5")


def boot(paths: Paths) -> dict[str, object]:
    record: dict[str, object] = json.loads((paths.run / "boot.json").read_text())
    return record


def test_a_machine_becomes_what_its_user_data_says(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}", "TWINE_SEARCH_CA_PARAMETER=/estate/dev/search_ca", "TWINE_X=a b")
    cloud.secrets[ARN] = '{"username": "twine", "password": "p"}'
    cloud.parameters["/estate/dev/search_ca"] = "-----BEGIN CERTIFICATE-----\n"

    assert main(["configure"], paths) == 0

    lines = (paths.run / "machine.env").read_text().splitlines()
    assert {f"MACHINE_ROLE={ROLE}", 'TWINE_X="a b"', "AWS_REGION=eu-west-2", "MACHINE_INSTANCE_ID=i-0123456789abcdef0"} <= set(lines)
    assert (paths.secrets / "database").read_text() == cloud.secrets[ARN]
    assert (paths.secrets / "search_ca").read_text() == "-----BEGIN CERTIFICATE-----\n"
    assert sorted(path.name for path in paths.secrets.iterdir()) == ["database", "search_ca"]


def test_secrets_are_for_the_group_of_the_role_only(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "s"

    main(["configure"], paths)

    found = (paths.secrets / "database").stat()
    assert (found.st_mode & 0o777, found.st_gid) == (0o640, os.getegid())
    assert paths.secrets.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("has_group", [True, False])
def test_a_secret_for_who_prepares_the_work_is_not_for_who_does_it(
    paths: Paths, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, has_group: bool
) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}", f"TWINE_DATABASE_ADMIN_SECRET_ARN={ARN}-admin")
    cloud.secrets |= {ARN: "s", f"{ARN}-admin": "of the admin"}
    known = grp.getgrnam
    groups: dict[str, int] = {}

    def getgrnam(name: str) -> SimpleNamespace:
        if name == f"{ROLE}-admin" and not has_group:
            raise KeyError(name)
        return SimpleNamespace(gr_gid=4711 if name == f"{ROLE}-admin" else known(name).gr_gid)

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    # Only root may give a file to any group.
    monkeypatch.setattr(files, "write", lambda path, _content, _mode=0, _owner=-1, group=-1: groups.update({path.name: group}) or True)

    assert main(["configure"], paths) == 0
    assert groups["database_admin"] == (4711 if has_group else os.getegid())
    assert groups["database"] == known(ROLE).gr_gid


def test_calls_are_signed_for_their_service_as_the_role(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}", "TWINE_SEARCH_CA_PARAMETER=/ca")
    cloud.secrets[ARN] = cloud.parameters["/ca"] = "s"

    main(["configure"], paths)

    scopes = [headers["Authorization"].split(",")[0].split("/")[1:] for headers, _body in cloud.signed]
    assert [scope[2] for scope in scopes] == ["secretsmanager", "ssm"]
    assert {headers["X-Amz-Security-Token"] for headers, _body in cloud.signed} == {"session-token"}


def test_the_stages_of_the_boot_follow_each_other(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data("MACHINE_ROLE=bastion")

    main(["configure"], paths)

    record = boot(paths)
    stages = record["stages"]
    assert isinstance(stages, dict)
    order = ["init", "network", "machine_config_begin", "metadata", "secrets", "machine_config_end"]
    assert [stages[name] for name in order] == sorted(stages[name] for name in order)
    assert (record["outcome"], record["source"], record["role"]) == ("configured", "metadata", "bastion")


def test_the_instances_key_lets_in_its_user(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data("MACHINE_ROLE=bastion", f"MACHINE_SSH_USER={USER.pw_name}")
    cloud.leaves["meta-data/public-keys/0/openssh-key"] = b"ssh-ed25519 AAAA operator\n"

    assert main(["configure"], paths) == 0

    keys = paths.root / USER.pw_dir.lstrip("/") / ".ssh" / "authorized_keys"
    assert keys.read_text() == "ssh-ed25519 AAAA operator\n"
    assert (keys.stat().st_mode & 0o777, keys.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_files_come_before_the_metadata_service(paths: Paths, cloud: Cloud) -> None:
    paths.own.parent.mkdir(parents=True)
    paths.own.write_text("TWINE_DATABASE_HOST=localhost\n")

    assert main(["configure"], paths) == 0

    assert cloud.asked == []
    assert boot(paths)["source"] == "file"


def test_a_file_cannot_ask_for_what_lies_in_aws(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    paths.own.parent.mkdir(parents=True)
    paths.own.write_text(f"TWINE_DATABASE_SECRET_ARN={ARN}\n")

    assert main(["configure"], paths) == 1

    assert "write the secret itself to" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("what", "answers"),
    [
        ("token", [500, 503]),
        ("user-data", [401]),
        ("dynamic/instance-identity/document", [503, 404]),
        (ARN, ["ThrottlingException", "AccessDeniedException", "ResourceNotFoundException"]),
    ],
)
def test_what_does_not_answer_at_once_is_asked_again(paths: Paths, cloud: Cloud, what: str, answers: list[int | str]) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "s"
    cloud.failures[what] = answers

    assert main(["configure"], paths) == 0


def test_a_slow_metadata_service_is_waited_for(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data("MACHINE_ROLE=bastion")
    cloud.delay = 0.3

    assert main(["configure"], paths) == 0


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["echo hello"], "Failed to read the user data: line 1 is not of the form KEY=VALUE"),
        (["TWINE_ENVIRONMENT=dev"], "the user data has no MACHINE_ROLE"),
        (
            [f"MACHINE_ROLE={ROLE}", "TWINE_SEARCH_CA_PARAMETER=/not/there"],
            "Failed to fetch the parameter /not/there (TWINE_SEARCH_CA_PARAMETER) within 0.5 s: the service answers ParameterNotFound",
        ),
        ([f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}"], "Failed to fetch the secret"),
        (["MACHINE_ROLE=no-such-group", "TWINE_A_PARAMETER=/a"], "Failed to store secrets for no-such-group"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str], lines: list[str], said: str) -> None:
    cloud.user_data(*lines)

    assert main(["configure"], paths) == 1

    assert said in capfd.readouterr().err
    assert boot(paths)["outcome"] == "failed"
    assert not (paths.run / "machine.env").exists()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("leaf", "content", "said"),
    [
        ("user-data", None, "this instance has none"),
        ("user-data", b"\x1f\x8b\x08\x00\xff", "it is no UTF-8 text"),
        ("dynamic/instance-identity/document", b"[]", "what is there is not understood"),
        ("meta-data/iam/security-credentials/", b"", "this instance has no role"),
        ("meta-data/iam/security-credentials/machine-role", b'{"Code": "AssumeRoleUnauthorizedAccess"}', "AssumeRoleUnauthorizedAccess"),
    ],
)
def test_metadata_of_no_use_says_why(
    paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str], leaf: str, content: bytes | None, said: str
) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.leaves.pop(leaf)
    if content is not None:
        cloud.leaves[leaf] = content

    assert main(["configure"], paths) == 1

    assert said in capfd.readouterr().err


@pytest.mark.usefixtures("impatient")
def test_no_metadata_service_ends_within_the_patience(paths: Paths, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")

    assert main(["configure"], paths) == 1

    assert "Failed to read user-data of the metadata service within" in capfd.readouterr().err


def test_metadata_that_is_switched_off_is_not_waited_for(paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.failures["token"] = [403]

    assert main(["configure"], paths) == 1

    assert "it is switched off for this instance" in capfd.readouterr().err


def test_an_image_refuses_to_become_something_else(paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.user_data("MACHINE_ROLE=twine")
    paths.image.parent.mkdir(parents=True)
    paths.image.write_text('{"role": "elasticsearch"}')

    assert main(["configure"], paths) == 1

    assert "Failed to become twine: this image was baked as elasticsearch" in capfd.readouterr().err


def test_half_of_the_secrets_is_none(paths: Paths, cloud: Cloud, impatient: None) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}", "TWINE_SEARCH_CA_PARAMETER=/not/there")
    cloud.secrets[ARN] = "s"

    main(["configure"], paths)

    assert not paths.secrets.exists()


def test_refresh_replaces_what_was_rotated(paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "old"
    main(["configure"], paths)
    cloud.secrets[ARN] = "new"

    assert main(["refresh"], paths) == 0
    assert (paths.secrets / "database").read_text() == "new"
    assert "changed: database" in capfd.readouterr().err

    before = paths.secrets.stat().st_mtime_ns
    assert main(["refresh"], paths) == 0
    assert "no secret has changed" in capfd.readouterr().err
    assert paths.secrets.stat().st_mtime_ns > before, "who asked sees that they were fetched"


def test_publish_gives_a_file_to_others(paths: Paths, cloud: Cloud, tmp_path: Path) -> None:
    cloud.user_data("MACHINE_ROLE=bastion")
    main(["configure"], paths)
    (tmp_path / "ca.crt").write_text("certificate")

    assert main(["publish", "/estate/dev/search_ca", str(tmp_path / "ca.crt")], paths) == 0

    assert cloud.parameters == {"/estate/dev/search_ca": "certificate"}


def test_no_secret_is_said(paths: Paths, cloud: Cloud, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "the-password"
    cloud.failures[ARN] = ["ThrottlingException"]

    main(["configure"], paths)

    assert "the-password" not in capfd.readouterr().err
    assert "the-password" not in (paths.run / "boot.json").read_text()


def test_later_stages_join_the_record_of_the_boot(
    paths: Paths, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cloud.user_data("MACHINE_ROLE=bastion")
    main(["configure"], paths)
    monkeypatch.setattr(observe, "ask_systemd", lambda: "Id=ssh.service\nActiveState=active\nActiveEnterTimestampMonotonic=9000000\n")

    assert main(["observe"], paths) == 0
    assert main(["stages"], paths) == 0

    record = boot(paths)
    assert record["role"] == "bastion"
    units = record["units"]
    assert isinstance(units, dict) and units["ssh.service"]["state"] == "active"
    assert "ssh.service active" in capfd.readouterr().out
    stages = record["stages"]
    assert isinstance(stages, dict)
    assert list(stages)[-1] == "started" and stages["started"] >= stages["machine_config_end"]


def test_a_full_disk_is_said_and_recorded(paths: Paths, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "s"
    write = files.write

    def full(path: Path, *arguments: Any) -> bool:
        if path.name == "database":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, *arguments)

    monkeypatch.setattr(files, "write", full)
    assert main(["configure"], paths) == 1

    said = capfd.readouterr().err
    assert "Failed to configure: [Errno 28] No space left on device" in said and "See whether the disk and /run have room" in said
    assert (boot(paths)["outcome"], (paths.run / "machine.env").exists()) == ("failed", False)


@pytest.mark.usefixtures("impatient")
def test_a_machine_that_failed_is_not_asked(paths: Paths, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["configure"], paths) == 1
    monkeypatch.setattr(observe, "ask_systemd", lambda: "")

    assert main(["observe"], paths) == 0
    assert "nothing is asked" in capfd.readouterr().err
    assert boot(paths)["outcome"] == "failed"


def test_an_ask_is_answered_with_the_secret_of_now(paths: Paths, cloud: Cloud) -> None:
    cloud.user_data(f"MACHINE_ROLE={ROLE}", f"TWINE_DATABASE_SECRET_ARN={ARN}")
    cloud.secrets[ARN] = "first"
    main(["configure"], paths)
    assert (paths.asks.stat().st_mode & 0o777, paths.asks.stat().st_gid) == (0o770, grp.getgrnam(ROLE).gr_gid)
    (paths.asks / "secrets").touch()
    cloud.secrets[ARN] = "second"

    assert main(["refresh"], paths) == 0
    assert (paths.secrets / "database").read_text() == "second"
    assert list(paths.asks.iterdir()) == []


def test_without_a_record_there_are_no_stages(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["stages"], paths) == 1
    assert "no record of this boot" in capfd.readouterr().err


def test_a_wrong_question_shows_the_usage(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["nonsense"], paths) == 2
    assert "Usage:" in capfd.readouterr().err
