"""whence against a small file system: a package's files, a role's files, and what somebody did to them since."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from twine_machine import whence

SERVE, CONFIG, CONFFILE, LINK = "/usr/bin/twine", "/etc/nginx/nginx.conf", "/etc/twine.conf", "/etc/nginx/enabled"
STATUS = """Package: twine
Status: install ok installed
Architecture: all
Version: 2026.1.0-1~deb12
Conffiles:
 /etc/twine.conf {conffile}
Description: staff

Package: nginx-common
Architecture: all
Version: 1.22
Description: web
"""
GIVEN = {
    "collection": "twine.platform 0.1.0",
    "commit": "0123456789ab",
    "snapshot": "20261124t041311z-edf862a2ff56",
    "packages": {"twine": {"version": "2026.1.0-1~deb12", "sha256": "ab" * 32}},
    "files": [
        {"path": CONFIG, "role": "twine.platform.nginx", "task": "Configure the server", "source": "etc/nginx/nginx.conf.j2"},
        {"path": LINK, "role": "nginx", "task": "Serve it", "source": ""},
        {"path": "/etc/never", "role": "nginx", "task": "Write nothing", "source": ""},
    ],
}


def lead_elsewhere(path: Path) -> None:
    path.unlink()
    path.symlink_to("/tmp/evil")


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    contents = {SERVE: "serve\n", CONFIG: "events {}\n", CONFFILE: "a = 1\n", "/srv/own": "mine\n"}
    info = "/var/lib/dpkg/info"
    contents |= {
        f"{info}/twine.list": f"/.\n/usr\n/bin/twine\n{CONFFILE}\n/usr/bin/link\n",
        f"{info}/twine.md5sums": md5("serve\n") + "  bin/twine\n",
        f"{info}/nginx-common.list": f"/.\n{CONFIG}\n",
        "/var/lib/dpkg/status": STATUS.format(conffile=md5("a = 1\n")),
    }
    for name, text in contents.items():
        path = tmp_path / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    (tmp_path / LINK[1:]).symlink_to("nginx.conf")
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "usr/bin/link").symlink_to("twine")
    assert whence.main(["--record"], tmp_path, io.StringIO(json.dumps(GIVEN))) == 0
    return tmp_path


def ask(capsys: pytest.CaptureFixture[str], root: Path, *names: str) -> tuple[int, str]:
    capsys.readouterr()
    code = whence.main(names, root)
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param(SERVE, "package   twine 2026.1.0-1~deb12", id="a package, by the other name of a merged /usr"),
        pytest.param(SERVE, "snapshot  20261124t041311z-edf862a2ff56, deb abababababab", id="its snapshot"),
        pytest.param(CONFFILE, "package   twine", id="a conffile"),
        pytest.param(CONFIG, "role      nginx of twine.platform 0.1.0, commit 0123456789ab", id="a role"),
        pytest.param(CONFIG, "from etc/nginx/nginx.conf.j2, by the task 'Configure the server'", id="its template and task"),
        pytest.param(CONFIG, "replaces  a file of nginx-common 1.22", id="the package whose file it replaces"),
        pytest.param(LINK, "role      nginx", id="a link"),
    ],
)
def test_it_says_where_a_file_came_from(capsys: pytest.CaptureFixture[str], root: Path, name: str, says: str) -> None:
    code, out = ask(capsys, root, name)

    assert says in out and out.endswith("  as it came\n")
    assert code == 0


CHANGES: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "a package's content": (SERVE, lambda path: path.write_text("evil\n"), "CHANGED   content"),
    "a conffile's content": (CONFFILE, lambda path: path.write_text("a = 2\n"), "CHANGED   content"),
    "a package's mode": (SERVE, lambda path: path.chmod(0o4755), "CHANGED   permissions, owner and group 4755"),
    "a conffile's mode": (CONFFILE, lambda path: path.chmod(0o666), "CHANGED   permissions, owner and group 0666"),
    "a role's content": (CONFIG, lambda path: path.write_text("evil {}\n"), "CHANGED   content"),
    "a role's mode": (CONFIG, lambda path: path.chmod(0o666), "CHANGED   mode 0666 instead of 0644"),
    "where a link leads": (LINK, lead_elsewhere, "CHANGED   content"),
}


@pytest.mark.parametrize("case", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_is_called_one(capsys: pytest.CaptureFixture[str], root: Path, case: tuple[str, Callable[[Path], object], str]) -> None:
    name, change, says = case
    change(root / name[1:])

    code, out = ask(capsys, root, name)

    assert (code, says in out) == (1, True), out


def test_converging_again_makes_no_change_right(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    """Only another version of the package is looked at anew."""
    (root / CONFFILE[1:]).chmod(0o600)
    assert whence.main(["--record"], root, io.StringIO(json.dumps(GIVEN))) == 0
    assert "CHANGED" in ask(capsys, root, CONFFILE)[1]

    status = root / "var/lib/dpkg/status"
    status.write_text(status.read_text().replace("2026.1.0", "2026.1.1"))
    assert whence.main(["--record"], root, io.StringIO(json.dumps(GIVEN))) == 0
    assert "CHANGED" not in ask(capsys, root, CONFFILE)[1]


def test_another_owner_is_a_change(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    if os.geteuid():
        record = root / whence.RECORD
        record.write_text(record.read_text().replace('"owner": "', '"owner": "not-'))
    else:
        os.chown(root / CONFIG[1:], 1, -1)

    assert "owner" in ask(capsys, root, CONFIG)[1]


@pytest.mark.parametrize(("name", "says"), [("/srv/own", "made on this machine"), ("/srv/none", "is not here")])
def test_what_is_not_known_is_said(capsys: pytest.CaptureFixture[str], root: Path, name: str, says: str) -> None:
    code, out = ask(capsys, root, name)

    assert (code, says in out) == (1, True)


def test_a_link_of_a_package_has_no_digest(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    assert "no digest" in ask(capsys, root, "/usr/bin/link")[1]


def test_programs_get_json(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    code, out = ask(capsys, root, "--json", SERVE, CONFIG)

    found = json.loads(out)
    assert code == 0
    assert [(one["kind"], one["changed"]) for one in found] == [("package", []), ("role", [])]


def test_a_record_grows_and_forgets_what_is_gone(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    (root / LINK[1:]).unlink()
    later = {**GIVEN, "files": [{"path": CONFFILE, "role": "twine", "task": "Configure", "source": ""}]}
    capsys.readouterr()

    assert whence.main(["--record"], root, io.StringIO(json.dumps(later))) == 0
    assert whence.main(["--record"], root, io.StringIO(json.dumps(later))) == 0

    assert capsys.readouterr().out == "changed\nunchanged\n"
    assert sorted(json.loads((root / whence.RECORD).read_text())["files"]) == [CONFIG, CONFFILE]


@pytest.mark.parametrize("arguments", [[], ["--jsn", "/etc/passwd"], ["--record", "/etc/passwd"]])
def test_a_wrong_question_is_answered_with_the_usage(capsys: pytest.CaptureFixture[str], root: Path, arguments: list[str]) -> None:
    assert whence.main(arguments, root) == 2
    assert "Usage" in capsys.readouterr().err


def test_what_is_no_record_is_refused(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    before = (root / whence.RECORD).read_text()

    assert whence.main(["--record"], root, io.StringIO('{"files": []}')) == 1

    assert "Failed to record" in capsys.readouterr().err
    assert (root / whence.RECORD).read_text() == before
