"""What the distribution mended: read from changelogs as Debian writes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.patches import Report, Update, between, entries, moved, report, told
from ansible_collections.twine.platform.plugins.module_utils._release.release import Package

# As in Debian 12's packages, shortened.
SSL = """\
openssl (3.0.17-1~deb12u3) bookworm-security; urgency=medium

  * CVE-2025-9230 (Out-of-bounds read & write in RFC 3211 KEK Unwrap)

 -- A Person <a@example.org>  Sat, 27 Sep 2025 21:52:06 +0200

openssl (3.0.17-1~deb12u2) bookworm; urgency=medium

  * Revert upstream commit "MSVC: Avoid silencing a warning" (Closes: #1110254).

 -- A Person <a@example.org>  Sat, 02 Aug 2025 18:52:52 +0200

openssl (3.0.16-1~deb12u1) bookworm; urgency=medium

  * Import 3.0.16
    - CVE-2024-13176 (Timing side-channel in ECDSA signature computation)
    - CVE-2024-9143 and CVE-2024-13176 again
  * New upstream version, DSA-5978-1.

 -- A Person <a@example.org>  Thu, 13 Feb 2025 21:52:31 +0100

openssl (3.0.15-1~deb12u1) bookworm; urgency=medium

  * CVE-2024-5535 (SSL_select_next_proto buffer overread).

 -- A Person <a@example.org>  Sun, 27 Oct 2024 16:47:42 +0100
"""
TZDATA = """\
tzdata (2025b-0+deb12u2) bookworm; urgency=medium

  * Add upstream patch.

 -- A Person <a@example.org>  Sun, 20 Jul 2025 12:30:00 +0200

tzdata (2025b-0+deb12u1) bookworm; urgency=medium

  * New upstream release.

 -- A Person <a@example.org>  Mon, 24 Mar 2025 13:02:16 +0100
"""
SUDO = """\
sudo (1.9.13p3-1+deb12u2) bookworm-security; urgency=high

  * Non-maintainer upload by the Security Team.

 -- A Person <a@example.org>  Sat, 21 Jun 2025 10:01:31 +0200
"""
NOW = datetime(2025, 10, 9, 20, 0, tzinfo=UTC)


def packages(**versions: str) -> dict[str, Package]:
    return {name.replace("_", "-"): Package(version, "amd64", "0" * 64) for name, version in versions.items()}


def test_an_entry_has_version_date_and_advisories() -> None:
    newest, plain, third, _oldest = entries(SSL)

    assert (newest.version, newest.advisories, newest.security) == ("3.0.17-1~deb12u3", ("CVE-2025-9230",), True)
    assert newest.made == datetime(2025, 9, 27, 19, 52, 6, tzinfo=UTC)
    assert (plain.advisories, plain.security) == ((), False)
    assert third.advisories == ("CVE-2024-13176", "CVE-2024-9143", "DSA-5978-1")


@pytest.mark.parametrize(
    "text", ["", "no changelog\n", "openssl (1) bookworm; urgency=low\n\n  * never ended\n", SSL.replace("Sat, 27 Sep 2025", "today")]
)
def test_what_is_no_entry_is_passed_over(text: str) -> None:
    assert all(entry.version.startswith("3.0.1") for entry in entries(text)) and len(entries(text)) in (0, 3)


@pytest.mark.parametrize(
    ("before", "after", "versions"),
    [
        ("3.0.15-1~deb12u1", "3.0.17-1~deb12u3", ["3.0.17-1~deb12u3", "3.0.17-1~deb12u2", "3.0.16-1~deb12u1"]),
        ("3.0.17-1~deb12u2", "3.0.17-1~deb12u3", ["3.0.17-1~deb12u3"]),
        ("3.0.15-1~deb12u1", "3.0.17-1~deb12u2", ["3.0.17-1~deb12u2", "3.0.16-1~deb12u1"]),
        ("3.0.17-1~deb12u3", "3.0.17-1~deb12u3", []),
        ("1:3.0.1-1", "1:3.0.2-1", []),
    ],
)
def test_only_what_lies_between_two_versions_counts(before: str, after: str, versions: list[str]) -> None:
    assert [entry.version for entry in between(SSL, before, after)] == versions


def test_only_what_both_have_and_one_has_newer_moved() -> None:
    running = packages(libssl3="3.0.15-1~deb12u1", tzdata="2025b-0+deb12u1", gone="1", ahead="2", same="1")
    candidate = packages(libssl3="3.0.17-1~deb12u3", tzdata="2025b-0+deb12u2", new="1", ahead="1", same="1")

    assert moved(running, candidate) == ["libssl3", "tzdata"]


@pytest.fixture
def found() -> Report:
    running = packages(libssl3="3.0.15-1~deb12u1", tzdata="2025b-0+deb12u1", sudo="1.9.13p3-1+deb12u1", libmystery="1", gone="1")
    candidate = packages(libssl3="3.0.17-1~deb12u3", tzdata="2025b-0+deb12u2", sudo="1.9.13p3-1+deb12u2", libmystery="2", new="1")
    return report(running, candidate, {"libssl3": SSL, "tzdata": TZDATA, "sudo": SUDO})


def test_fixes_are_told_from_other_updates_the_oldest_first(found: Report) -> None:
    assert [(fix.name, fix.advisories) for fix in found.fixes] == [
        ("libssl3", ("CVE-2024-9143", "CVE-2024-13176", "CVE-2025-9230", "DSA-5978-1")),
        ("sudo", ()),
    ]
    assert [update.name for update in found.others] == ["libmystery", "tzdata"]
    assert (found.new, found.gone, found.silent) == (["new"], ["gone"], ["libmystery"])


def test_a_fix_waits_since_the_first_that_was_missed(found: Report) -> None:
    assert found.fixes[0].since == datetime(2025, 2, 13, 20, 52, 31, tzinfo=UTC)
    assert found.oldest(NOW) == found.fixes[0].days(NOW) == 237


def test_it_is_told_in_columns(found: Report) -> None:
    assert told(found, NOW) == [
        "2 security fixes open, the oldest for 237 days",
        "  libssl3  3.0.15-1~deb12u1   → 3.0.17-1~deb12u3    237 days  CVE-2024-9143 CVE-2024-13176 CVE-2025-9230 DSA-5978-1",
        "  sudo     1.9.13p3-1+deb12u1 → 1.9.13p3-1+deb12u2  110 days  no advisory is named",
        "2 other updates: libmystery 2, tzdata 2025b-0+deb12u2",
        "new: new",
        "gone: gone",
        "without a changelog, so nothing is known of: libmystery",
    ]


def test_nothing_open_is_one_line() -> None:
    same = packages(libssl3="3.0.17-1~deb12u3")

    assert told(report(same, same, {}), NOW) == ["0 security fixes open"]


def test_one_day_is_one_day() -> None:
    fix = Update("a", "1", "2", ("CVE-2025-1000",), datetime(2025, 10, 8, 12, 0, tzinfo=UTC))

    assert told(Report(fixes=[fix]), NOW) == ["1 security fix open, the oldest for 1 day", "  a  1 → 2     1 day  CVE-2025-1000"]
