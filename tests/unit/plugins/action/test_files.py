"""A role's files through a real ansible-playbook: found, rendered, written in one go."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = {
    "templates/etc/one.conf.j2": "{% if word %}\nword = {{ word }}\n{% endif %}\n",
    "files/usr/two": "{{ as it is }}\n",
}
OWN = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in ROLE.items():
        path = tmp_path / "roles" / "web" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return tmp_path


def play(folder: Path, *options: str, no_log: bool = False, **more: Any) -> str:
    """Run the task on this machine; what Ansible says."""
    files = [
        {**OWN, "template": "etc/one.conf.j2", "path": f"{folder}/made/one.conf"},
        {**OWN, "source": "usr/two", "path": f"{folder}/made/two", "mode": "0755"},
        {**OWN, "content": "{{ {'word': word} | to_json }}\n", "path": f"{folder}/made/three", **more},
    ]
    files[-1] = {name: value for name, value in files[-1].items() if value is not None}
    task = {"name": "Write", "twine.platform.files": {"files": files}, "register": "said", "no_log": no_log}
    copy = {"content": "{{ said | to_json }}", "dest": f"{folder}/said.json", "mode": "0644"}
    show = {"name": "Show", "ansible.builtin.copy": copy, "check_mode": False, "diff": False, "no_log": True}
    tasks = folder / "roles" / "web" / "tasks"
    tasks.mkdir(exist_ok=True)
    (tasks / "main.yml").write_text(yaml.safe_dump([task, show]))
    host = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": {"word": "s3cret"}, "roles": ["web"]}
    (folder / "play.yml").write_text(yaml.safe_dump([host]))
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run([program, "play.yml", *options], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def said(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "said.json").read_text())
    return found


def test_check_shows_all_and_writes_none_then_all_are_written_once(folder: Path) -> None:
    shown = play(folder, "--check", "--diff")
    assert "+word = s3cret" in shown and "+{{ as it is }}" in shown
    assert not (folder / "made").exists()

    play(folder)
    assert (folder / "made" / "one.conf").read_text() == "word = s3cret\n"
    assert (folder / "made" / "two").read_text() == ROLE["files/usr/two"]
    assert json.loads((folder / "made" / "three").read_text()) == {"word": "s3cret"}
    assert said(folder)["files"][0] == {"path": f"{folder}/made/one.conf", "source": "etc/one.conf.j2"}

    (folder / "made" / "two").chmod(0o644)
    play(folder)
    assert said(folder)["written"] == [f"{folder}/made/two"]
    play(folder)
    assert (said(folder)["written"], said(folder)["changed"]) == ([], False)


@pytest.mark.parametrize("content", [{"username": "ada", "word": "{{ word }}"}, ["one", 2]])
def test_a_mapping_or_a_list_is_written_as_json(folder: Path, content: Any) -> None:
    play(folder, content=content)

    written = json.loads((folder / "made" / "three").read_text())
    assert written == (content if isinstance(content, list) else {"username": "ada", "word": "s3cret"})


def test_a_folder_and_a_link_are_made_and_a_link_is_told(folder: Path) -> None:
    play(folder, content=None, link="one.conf")
    assert (folder / "made" / "three").read_text() == "word = s3cret\n"
    assert said(folder)["files"][-1] == {"path": f"{folder}/made/three", "source": ""}

    (folder / "made" / "three").unlink()
    play(folder, content=None, directory=True)
    assert (folder / "made" / "three").is_dir()
    assert [one["path"] for one in said(folder)["files"]] == [f"{folder}/made/one.conf", f"{folder}/made/two"]


def test_a_secret_is_in_nothing_that_is_said(folder: Path) -> None:
    shown = play(folder, "--diff", "-vvv", no_log=True)

    assert (folder / "made" / "one.conf").read_text() == "word = s3cret\n"
    assert "s3cret" not in shown


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"template": "etc/none.conf.j2"}, "mutually exclusive"),
        ({"content": None, "template": "etc/none.conf.j2"}, "none.conf.j2"),
        ({"content": None, "source": "usr/none"}, "usr/none"),
        ({"modes": "0644"}, "modes"),
        ({"mode": "u=rw"}, "is no octal number that begins with 0"),
        ({"content": None, "link": "/dev/null", "mode": "0644"}, "mutually exclusive"),
        ({"content": None, "link": ""}, "it is a link to nowhere"),
        ({"content": None, "directory": True, "validate": "test -d %s"}, "mutually exclusive"),
        ({"content": None, "directory": False}, "value of directory must be one of"),
    ],
)
def test_bad_input_is_refused_before_the_first_is_written(folder: Path, more: dict[str, Any], why: str) -> None:
    shown = play(folder, **more)

    assert "FAILED!" in shown or "[ERROR]" in shown
    assert why in shown
    assert not (folder / "made" / "one.conf").exists()
