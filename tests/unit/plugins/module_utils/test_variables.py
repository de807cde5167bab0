"""A misspelt variable of a role is told apart from everybody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._variables import options_of, unknown

OPTIONS = {"nginx": {"nginx_port", "nginx_stop_timeout"}, "twine": {"twine_threads"}, "twine_x": {"twine_x_speed"}}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(["nginx_port", "twine_threads"], "", id="known"),
        pytest.param(["nginxport", "ansible_user", "__nginx_started", "redis_port"], "", id="of nobody here"),
        pytest.param(["twine_x_speed"], "", id="of the longer name"),
        pytest.param(["nginx_prot"], "nginx_prot is no variable of role nginx. Did you mean nginx_port?", id="misspelt"),
        pytest.param(["nginx_zzz"], "nginx_zzz is no variable of role nginx. `ansible-doc -t role twine.platform.nginx` lists them.", id="invented"),
    ],
)
def test_unknown(given: list[str], told: str) -> None:
    assert " ".join(unknown(given, OPTIONS)) == told


def test_the_options_of_every_entry_point_count() -> None:
    assert options_of({"main": {"options": {"a_b": {}}}, "publish": {"options": {"a_c": {}}}, "health_check": {}}) == {"a_b", "a_c"}


def test_no_two_roles_of_ours_claim_a_variable() -> None:
    roles = Path(__file__).parents[4] / "roles"
    options = {path.parts[-3]: options_of(yaml.safe_load(path.read_text())["argument_specs"]) for path in roles.glob("*/meta/argument_specs.yml")}
    every = {name for names in options.values() for name in names}

    assert options and unknown(every, options) == []
