"""The proof compares what apt read with what was meant, and names every difference."""

from __future__ import annotations

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.index import differences, entries

# As aptly 1.6.3 wrote it.
TWINE = """Package: twine
Architecture: all
Version: 2026.1.0-1~deb12
Priority: optional
Section: web
Maintainer: The twine.platform authors <packages@platform.invalid>
Installed-Size: 170
Depends: adduser, gunicorn (>= 20.1), python3-flask (>= 2.2)
Filename: pool/main/t/twine/twine_2026.1.0-1~deb12_all.deb
Size: 42808
MD5sum: 6e9a8d8bd1a4f3a3e1e7c8a8c9a8a6a2
SHA1: 0f3a4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e
SHA256: 5677c4da6fbc5729c75cf180256a789fcca766ad0fd575168a29701c7941c4b3
Description: staff, expense claims and search for many clients
 Twine is where the staff of a client file their expenses and managers decide
 about them.
 .
 SHA256: no field, but text that looks like one.
"""
SEARCH = """Package: elasticsearch
Version: 8.19.21-1~deb12
Architecture: amd64
Filename: pool/main/e/elasticsearch/elasticsearch_8.19.21-1~deb12_amd64.deb
SHA256: 0934d262a99cf8801298d54e84ff2730521f565ef530ab29560c979013e540b4
Description: search server
"""
TWINE_DEB = Deb("twine", "2026.1.0-1~deb12", "all", "5677c4da6fbc5729c75cf180256a789fcca766ad0fd575168a29701c7941c4b3")
SEARCH_DEB = Deb("elasticsearch", "8.19.21-1~deb12", "amd64", "0934d262a99cf8801298d54e84ff2730521f565ef530ab29560c979013e540b4")


def newer(paragraph: str) -> str:
    return paragraph.replace("2026.1.0-1", "2026.1.1-1")


def test_index_as_meant() -> None:
    """Two architectures' indices hold the `all` package twice; it is one."""
    published = entries(f"{TWINE}\n{SEARCH}\n{TWINE}\n")
    assert [entry.deb for entry in published] == [TWINE_DEB, SEARCH_DEB]
    assert differences([SEARCH_DEB, TWINE_DEB], published) == []


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (SEARCH, ["twine_2026.1.0-1~deb12_all is missing"]),
        ("", ["elasticsearch_8.19.21-1~deb12_amd64 is missing", "twine_2026.1.0-1~deb12_all is missing"]),
        (f"{newer(TWINE)}\n{SEARCH}", ["twine_2026.1.1-1~deb12_all is published, meant is 2026.1.0-1~deb12 (all)"]),
        (f"{TWINE}\n{newer(TWINE)}\n{SEARCH}", ["twine_2026.1.1-1~deb12_all is published beside 2026.1.0-1~deb12"]),
        (
            f"{TWINE.replace('SHA256: 5677', 'SHA256: ffff')}\n{SEARCH}",
            [f"twine_2026.1.0-1~deb12_all has SHA-256 ffff{TWINE_DEB.sha256[4:]}, meant is {TWINE_DEB.sha256}"],
        ),
        (
            f"{TWINE}\n{SEARCH}\n{SEARCH.replace('elasticsearch', 'intruder')}",
            ["intruder_8.19.21-1~deb12_amd64 is published and was not meant"],
        ),
    ],
)
def test_each_difference_is_named(index: str, said: list[str]) -> None:
    assert differences([TWINE_DEB, SEARCH_DEB], entries(index)) == said


def test_entry_without_a_digest() -> None:
    with pytest.raises(PackageError, match=r"an entry lacks SHA256: elasticsearch"):
        entries(SEARCH.replace("SHA256: ", "SHA1: "))
