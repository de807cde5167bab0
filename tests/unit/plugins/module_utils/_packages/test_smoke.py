"""What a smoke test is installed beside, and what of the distribution that needs; the tests themselves run in test_build.py."""

from __future__ import annotations

from ansible_collections.twine.platform.plugins.module_utils._packages.shelf import Record
from ansible_collections.twine.platform.plugins.module_utils._packages.smoke import installed_together, needs_of_others


def record(name: str, depends: str) -> Record:
    return Record(name, "1.0", "all", f"{name}.deb", "0", "0", 1.0, depends)


APPLICATION = record("application", "adduser, client (>= 8), client (<< 9), python3:any")
CLIENT = record("client", "transport (>= 8), python3:any, python3-one | python3-other")
TRANSPORT = record("transport", "python3-certifi")
KNOWN = {one.name: one for one in (APPLICATION, CLIENT, TRANSPORT, record("other", "nothing"))}


def test_what_of_ours_it_needs_directly_or_not() -> None:
    assert [one.name for one in installed_together(APPLICATION, KNOWN)] == ["application", "client", "transport"]


def test_what_it_needs_of_the_distribution() -> None:
    needs = needs_of_others(installed_together(APPLICATION, KNOWN))
    assert needs == "adduser, python3-certifi, python3-one | python3-other, python3:any"


def test_what_is_ours_but_not_built_is_asked_of_the_distribution() -> None:
    needs = needs_of_others(installed_together(APPLICATION, {"application": APPLICATION}))
    assert needs == "adduser, client (<< 9), client (>= 8), python3:any"
