"""What counts as a file that a role wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils import _provenance as provenance

TEMPLATE = "ansible.builtin.template"


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    provenance.forget()
    yield
    provenance.forget()


@pytest.mark.parametrize(
    ("action", "result", "arguments", "noted"),
    [
        pytest.param(TEMPLATE, {"dest": "/etc/a"}, {"src": "etc/a.j2"}, ("/etc/a", "etc/a.j2"), id="a template"),
        pytest.param("ansible.builtin.copy", {"dest": "/etc/a"}, {"content": "x"}, ("/etc/a", ""), id="values"),
        pytest.param(
            TEMPLATE,
            {"dest": "/etc/a", "invocation": {"module_args": {"_original_basename": "a.j2"}}},
            {"src": "{{ item }}.j2"},
            ("/etc/a", "a.j2"),
            id="a template of a loop",
        ),
        pytest.param(
            "ansible.builtin.lineinfile", {"invocation": {"module_args": {"path": "/etc/b"}}}, {"path": "/etc/b"}, ("/etc/b", ""), id="a line"
        ),
        pytest.param("ansible.builtin.file", {"dest": "/etc/l", "state": "link"}, {"src": "../a"}, ("/etc/l", ""), id="a link"),
        pytest.param("ansible.builtin.file", {"dest": "/etc/d", "state": "directory"}, {}, None, id="a folder"),
        pytest.param("ansible.builtin.file", {"dest": "/etc/x", "invocation": {"module_args": {"state": "absent"}}}, {}, None, id="what was removed"),
        pytest.param("ansible.builtin.command", {"dest": "/etc/a"}, {}, None, id="another action"),
        pytest.param(TEMPLATE, {"dest": "etc/a"}, {}, None, id="no path of a machine"),
    ],
)
def test_note(action: str, result: dict[str, Any], arguments: dict[str, Any], noted: tuple[str, str] | None) -> None:
    provenance.note("m1", action, result, "nginx", "Configure", arguments)

    assert [(entry.path, entry.source) for entry in provenance.written("m1")] == ([noted] if noted else [])
    assert provenance.written("m2") == []


def test_each_of_several_files_is_noted() -> None:
    files = [{"path": "/etc/a", "source": "etc/a.j2"}, {"path": "/etc/b", "source": ""}]
    provenance.note("m1", provenance.FILES, {"files": files}, "nginx", "Configure", {})
    provenance.note("m2", provenance.FILES, {"files": files}, "", "Configure", {})

    found = [(entry.path, entry.source, entry.role) for entry in provenance.written("m1")]
    assert found == [("/etc/a", "etc/a.j2", "nginx"), ("/etc/b", "", "nginx")]
    assert provenance.written("m2") == []


def test_what_no_role_wrote_is_not_noted() -> None:
    provenance.note("m1", TEMPLATE, {"dest": "/etc/a"}, "", "Configure", {})

    assert provenance.written("m1") == []


def test_the_last_writer_counts() -> None:
    for role in ("common", "nginx"):
        provenance.note("m1", TEMPLATE, {"dest": "/etc/a"}, role, "Configure", {})

    assert [entry.role for entry in provenance.written("m1")] == ["nginx"]
