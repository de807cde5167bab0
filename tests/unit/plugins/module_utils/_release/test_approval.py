"""Which accounts take signed releases only, and what is not as the release names it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.approval import Standing, closed, strange
from ansible_collections.twine.platform.plugins.module_utils._release.release import from_data


@pytest.mark.parametrize(
    ("only", "found"),
    [
        ([], {"prod": "signers"}),
        (["prod"], {"prod": "signers"}),
        (["prod/network"], {"prod": "signers"}),
        (["dev", "prod/application"], {"prod": "signers"}),
        (["dev"], {}),
        (["dev/network", "bastion"], {}),
    ],
)
def test_an_account_is_closed_when_it_names_signers_and_is_entered(only: list[str], found: dict[str, str]) -> None:
    assert closed({"dev": "", "prod": "signers", "bastion": ""}, only) == found


@pytest.mark.parametrize(
    ("key", "standing", "told"),
    [
        ("prod/application", Standing("application.yml", "2" * 64, "3" * 64), []),
        ("prod/application", Standing("application.yml", "f" * 64, "3" * 64), ["prod/application: its template application.yml is another"]),
        ("prod/application", Standing("own.yml", "2" * 64, "3" * 64), ["prod/application: its template own.yml is another"]),
        ("prod/application", Standing("application.yml", "2" * 64, "f" * 64), ["prod/application: it is defined otherwise"]),
        ("prod/cache", Standing("application.yml", "2" * 64, "3" * 64), ["prod/cache: it is not in that release"]),
    ],
)
def test_a_stack_that_is_not_as_the_release_names_it_is_told(good: dict[str, Any], key: str, standing: Standing, told: list[str]) -> None:
    assert strange(from_data(good), {key: standing}) == told
