from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conventions import code, estates, roles, words

ROOT = Path(__file__).resolve().parents[2]
Convention = Callable[[Path], list[str]]

CONVENTIONS: list[Convention] = [
    roles.whole,
    roles.defaults_are_specs,
    roles.main_is_contents,
    roles.templates_lie_at_their_target,
    roles.entry_points_are_validated,
    estates.templates_fit,
    estates.templates_name_no_account,
    estates.environments_have_equal_keys,
    estates.example_is_short,
    words.nothing_left_for_later,
    words.registries_are_not_named,
    words.no_check_is_switched_off,
    words.plays_keep_to_modules,
    words.playbooks_are_found_by_name,
    words.programs_start_plainly,
    words.files_are_small,
    words.commands_in_docs_exist,
    words.links_in_docs_resolve,
    words.make_targets_have_their_machinery,
    code.functions_are_short,
    code.nothing_imports_the_local_cloud,
    code.the_local_cloud_stays_small,
    code.unused_names_say_what_they_are,
    code.waits_have_a_condition,
]

SPEC = "argument_specs:\n  main:\n    options:\n"
ROLE = {f"roles/cache/{part}": "---\n" for part in roles.PARTS} | {"molecule/cache/molecule.yml": "---\n"}
LONG_FUNCTION = "def long():\n" + "    print()\n" * 60

# What breaks which convention, and a word of how it is told.
BROKEN: list[tuple[Convention, dict[str, str], str]] = [
    *((roles.whole, {name: text for name, text in ROLE.items() if name != part}, part.split("/")[-1]) for part in ROLE),
    (roles.defaults_are_specs, {"roles/cache/defaults/main.yml": "cache_size: 1\n"}, "not an option"),
    (roles.defaults_are_specs, {"roles/cache/meta/argument_specs.yml": f"{SPEC}      cache_size: {{type: int}}\n"}, "neither required"),
    (
        roles.defaults_are_specs,
        {
            "roles/cache/defaults/main.yml": "cache_size: 1\n",
            "roles/cache/meta/argument_specs.yml": f"{SPEC}      cache_size: {{type: int, required: true}}\n",
        },
        "has a default",
    ),
    *(
        (
            roles.defaults_are_specs,
            {"roles/cache/defaults/main.yml": f"cache_size: {value}\n", "roles/cache/meta/argument_specs.yml": f"{SPEC}      cache_size: {spec}\n"},
            told,
        )
        for value, spec, told in (
            ("'1'", "{type: int}", "is str"),
            ("true", "{type: int}", "is bool"),
            ("1", "{type: bool}", "is int"),
            ("1", "{}", "is int"),
            ("one", "{type: list, elements: str}", "is str"),
            ("1", "{type: int, default: 2}", "2 in specs"),
        )
    ),
    (roles.main_is_contents, {"roles/cache/tasks/main.yml": "#\n" * 26}, "26 lines"),
    (roles.templates_lie_at_their_target, {"roles/cache/templates/cache.conf.j2": ""}, "no path"),
    (roles.entry_points_are_validated, {"playbooks/a.yml": "    tasks_from: install.yml\n"}, "skips"),
    (estates.templates_fit, {"cloudformation/data.yml": "#" * 51_200}, "51200"),
    (estates.templates_name_no_account, {"cloudformation/data.yml": 'Arn: "arn:aws:iam::111111111111:root"\n'}, "111111111111"),
    (estates.environments_have_equal_keys, {"inventories/own/host_vars/dev/a.yml": "b: 1\n"}, "prod lacks a.yml"),
    (
        estates.environments_have_equal_keys,
        {"inventories/own/host_vars/dev/a.yml": "b: {c: 1, d: 2}\n", "inventories/own/host_vars/prod/a.yml": "b: {c: 2}\n"},
        "prod lacks a.yml: b.d",
    ),
    (
        estates.environments_have_equal_keys,
        {"inventories/own/host_vars/dev/a.yml": "b: {c: 1}\n", "inventories/own/host_vars/prod/a.yml": "b: {c: {d: 1}}\n"},
        "dev lacks a.yml: b.c.d",
    ),
    (estates.example_is_short, {"inventories/example/host_vars/dev/a.yml": "a: 1\n" * 61}, "61 lines"),
    (words.registries_are_not_named, {"roles/a/tasks/main.yml": "url: http://deb.debian" + ".org/debian\n"}, "main.yml:1"),
    (words.nothing_left_for_later, {"roles/a/tasks/main.yml": "# TO" + "DO: later\n"}, "main.yml:1"),
    (words.no_check_is_switched_off, {"plugins/a.py": "import os  # no" + "qa: F401\n"}, "a.py:1"),
    (words.no_check_is_switched_off, {"plugins/a.py": "x = 1  # type: ig" + "nore[assignment]\n"}, "a.py:1"),
    (words.no_check_is_switched_off, {"tests/unit/test_a.py": "pytest.sk" + 'ip("no tool")\n'}, "test_a.py:1"),
    (words.no_check_is_switched_off, {"tests/unit/test_a.py": "@pytest.mark.sk" + "ipif(True)\n"}, "test_a.py:1"),
    (words.no_check_is_switched_off, {"tests/sanity/ignore-2.21.txt": "a\n"}, "an ignore list"),
    *(
        (words.plays_keep_to_modules, {"roles/a/tasks/main.yml": f"    {line}\n"}, "main.yml:1")
        for line in (
            "mode: 0644",
            "mode: 644",
            "state: latest",
            "ansible.builtin.shell: ls",
            "with_items: []",
            "ansible.builtin.apt_key:",
            "ignore_errors: true",
            "ansible.builtin.pause:",
            "changed_when: true",
            "failed_when: false",
        )
    ),
    *((words.playbooks_are_found_by_name, {f"playbooks/{name}": ""}, name) for name in ("a-b.yml", "a/b.yml", "group_vars/all.yml", "notes.txt")),
    (words.programs_start_plainly, {"tools/fly": "#!/usr/bin/env -S python3 -I\n"}, "tools/fly"),
    (words.programs_start_plainly, {"plugins/modules/fly.py": "#!/usr/bin/env python\n"}, "plugins/modules/fly.py"),
    (words.programs_start_plainly, {"tools/fly.py": "#!/usr/bin/python\n"}, "tools/fly.py"),
    (words.files_are_small, {"docs/picture": "x" * 1_000_001}, "1000001"),
    *(
        (words.commands_in_docs_exist, {"README.md": f"```sh\n{line}\n```\n", "Makefile": "demo:\n"}, told)
        for line, told in (
            ("make fly", "no target fly"),
            ("cd twine && make demo fly", "no target fly"),
            ("ansible-playbook playbooks/fly.yml", "no playbooks/fly.yml"),
            ("python3 -m fly", "no module fly"),
        )
    ),
    (words.links_in_docs_resolve, {"docs/a.md": "See [b](b.md).\n"}, "no b.md"),
    (words.links_in_docs_resolve, {"docs/a.md": "See [b](#no-such).\n# Such\n"}, "no heading #no-such"),
    (words.make_targets_have_their_machinery, {"Makefile": "fly:\n\t$(call playbook,fly)\n"}, "playbooks/fly.yml"),
    (words.make_targets_have_their_machinery, {"Makefile": "fly:\n\t@$(PYTHON) -m fly\n"}, "no module fly"),
    (words.make_targets_have_their_machinery, {"Makefile": "fly:\n\t@packages/fly/run\n"}, "no packages/fly/run"),
    (words.commands_in_docs_exist, {"README.md": "```sh\nmake fly\n```\n", "Makefile": "ifneq ($(wildcard sky),)\nfly:\nendif\n"}, "no target fly"),
    (code.functions_are_short, {"tools/a.py": LONG_FUNCTION}, "61 lines"),
    (code.nothing_imports_the_local_cloud, {"plugins/a.py": "from local_cloud.plugin import engine\n"}, "local_cloud.plugin"),
    (code.nothing_imports_the_local_cloud, {"demo/a.py": "import local_cloud\n"}, "demo/a.py"),
    (code.the_local_cloud_stays_small, {"plugins/a.py": "a = 1\n" * 30, "local_cloud/a.py": "a = 1\n" * 10}, "10 of 40"),
    *(
        (code.unused_names_say_what_they_are, {"demo/a.py": line}, "demo/a.py:1")
        for line in ("first, _ = pair\n", "f = lambda _: 1\n", "n = [1 for _ in few]\n", "def f(_): ...\n")
    ),
    (code.waits_have_a_condition, {"demo/a.py": "import time\ntime.sleep(5)\n"}, "a.py:2"),
]


def told(convention: Convention) -> str:
    return f"{convention.__module__.rsplit('.', 1)[-1]}.{convention.__name__}"


@pytest.mark.parametrize("convention", CONVENTIONS, ids=told)
def test_the_tree_keeps(convention: Convention) -> None:
    assert not convention(ROOT), convention.__doc__


@pytest.mark.parametrize("convention", CONVENTIONS, ids=told)
def test_an_empty_tree_keeps(convention: Convention, tmp_path: Path) -> None:
    assert not convention(tmp_path)


@pytest.mark.parametrize(("convention", "files", "word"), BROKEN, ids=[f"{told(row[0])}-{row[2]}" for row in BROKEN])
def test_a_broken_tree_is_told(convention: Convention, files: dict[str, str], word: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    problems = convention(tmp_path)

    assert any(word in problem for problem in problems), problems


def test_each_convention_is_seen_to_fail() -> None:
    assert {told(convention) for convention in CONVENTIONS} == {told(row[0]) for row in BROKEN}


def test_a_whole_role_and_a_short_wait_are_fine(tmp_path: Path) -> None:
    good = ROLE | {
        "roles/cache/defaults/main.yml": 'cache_size: 1\ncache_path: "{{ cache_size }}"\n',
        "roles/cache/meta/argument_specs.yml": f"{SPEC}      cache_size: {{type: int}}\n      cache_path: {{type: path}}\n",
        "tools/wait.py": "import time\nwhile not done():\n    time.sleep(0.1)\n",
    }
    for name, text in good.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert [problem for convention in CONVENTIONS for problem in convention(tmp_path)] == []
