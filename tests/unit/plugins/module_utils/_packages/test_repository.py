"""Snapshots and publications by a real aptly, read back by a real apt."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.client import Client, Source
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.index import differences, entries
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Repository, Rules, Snapshot
from tests.support import debian

# The address in the key of the fixture `signing_home`.
KEY_EMAIL = "tests@example.invalid"
MakeDeb = Callable[..., Deb]


def repository(aptly: Aptly, *, replace: bool = False, downgrade: bool = False) -> Repository:
    return Repository(aptly, "main", "main", "bookworm", Rules(replace, downgrade))


def ensure(where: Repository, *debs: Deb) -> Snapshot:
    files = {deb.name: where.aptly.root / "incoming" / deb.file_name for deb in debs}
    return where.ensure(debs, files, 5)


def publish(aptly: Aptly, snapshot: str, *, force: bool = False, key: str = KEY_EMAIL) -> bool:
    publisher = Publisher(aptly, Settings(key, "tests", "tests", force_overwrite=force))
    return publisher.ensure(Publication(".", "bookworm", "main", snapshot), 5).changed


def read(aptly: Aptly, key: str, *download: str) -> str:
    def run(args: Sequence[str], data: bytes, seconds: float) -> Result:
        return aptly.run(debian.command(args, needs="apt-get"), data=data, seconds=seconds)

    return Client(run).read(Source(f"file:{aptly.root}/public", "bookworm", "main", key), download)


def test_same_content_is_the_same_snapshot(aptly: Aptly, make_deb: MakeDeb) -> None:
    one, two = make_deb("one"), make_deb("two")
    first = ensure(repository(aptly), one, two)
    again = ensure(repository(aptly), two, one)
    assert first.created
    assert not again.created
    assert again.name == first.name


def test_snapshot_holds_what_is_meant_and_nothing_else(aptly: Aptly, make_deb: MakeDeb) -> None:
    old = make_deb("one", "1.0-1")
    ensure(repository(aptly), old)
    new = make_deb("one", "1.1-1")
    made = ensure(repository(aptly), new)
    assert aptly.snapshot_debs(made.name) == [new]
    assert sorted(aptly.repository_debs("main")) == [old, new]


def test_brought_files_are_taken_away(aptly: Aptly, make_deb: MakeDeb) -> None:
    ensure(repository(aptly), make_deb())
    assert list((aptly.root / "incoming").iterdir()) == []


def test_looking_writes_nothing(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    looked = repository(aptly).look([deb])
    assert looked.created
    assert looked.missing == [deb]
    assert aptly.snapshots() == []
    assert aptly.repository_debs("main") == []


def refused(where: Repository, *debs: Deb) -> str:
    """What the refusal says; and nothing was written."""
    before = (where.aptly.snapshots(), where.aptly.repository_debs("main"))
    with pytest.raises(PackageError) as error:
        ensure(where, *debs)
    assert (where.aptly.snapshots(), where.aptly.repository_debs("main")) == before
    return str(error.value)


def test_cut_off_package_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    whole, deb = make_deb("whole"), make_deb("cut")
    file = aptly.root / "incoming" / deb.file_name
    file.write_bytes(file.read_bytes()[:-20])
    assert "it is cut off or altered. Build it again" in refused(repository(aptly), whole, deb)


def test_file_that_is_no_package_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    (aptly.root / "incoming" / deb.file_name).write_text("hello")
    hello = dataclasses.replace(deb, sha256="2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    assert "greeting_1.0-1_all.deb is no Debian package" in refused(repository(aptly), hello)


def test_package_of_another_version_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    other = dataclasses.replace(deb, version="2.0-1")
    (aptly.root / "incoming" / deb.file_name).rename(aptly.root / "incoming" / other.file_name)
    assert "greeting_2.0-1_all.deb is greeting_1.0-1_all. Name the package" in refused(repository(aptly), other)


def test_file_of_another_name_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    file = (aptly.root / "incoming" / deb.file_name).rename(aptly.root / "incoming" / "some.deb")
    with pytest.raises(PackageError, match=r"its file is named some.deb. Name it greeting_1.0-1_all.deb"):
        repository(aptly).ensure([deb], {"greeting": file}, 5)


def test_missing_file_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    (aptly.root / "incoming" / deb.file_name).unlink()
    assert "greeting_1.0-1_all.deb is not on this machine. Copy it here" in refused(repository(aptly), deb)


def test_same_version_with_other_content_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    ensure(repository(aptly), make_deb(text="hello"))
    assert "the repository has this version with other content. Raise the version" in refused(repository(aptly), make_deb(text="hallo"))


def test_same_version_with_other_content_replaces_where_that_is_allowed(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    """The older snapshot keeps its content; the published file is the new one."""
    old, where = make_deb(text="hello"), repository(aptly, replace=True)
    first = ensure(where, old)
    publish(aptly, first.name, force=True)
    new = make_deb(text="hallo")
    second = ensure(where, new)
    publish(aptly, second.name, force=True)
    assert aptly.snapshot_debs(first.name) == [old]
    assert differences([new], entries(read(aptly, public_key, "greeting"))) == []


def test_older_version_is_refused(aptly: Aptly, make_deb: MakeDeb) -> None:
    ensure(repository(aptly), make_deb(version="1.10-1"))
    said = refused(repository(aptly), make_deb(version="1.9-1"))
    assert "the repository has 1.10-1, which is newer. Raise the version, or switch the publication back" in said


def test_older_version_is_taken_where_that_is_allowed(aptly: Aptly, make_deb: MakeDeb) -> None:
    ensure(repository(aptly), make_deb(version="1.10-1"))
    assert ensure(repository(aptly, downgrade=True), make_deb(version="1.9-1")).created


def test_what_an_interrupted_run_left_is_cleaned(aptly: Aptly, make_deb: MakeDeb) -> None:
    deb = make_deb()
    ensure(repository(aptly), deb)
    aptly.run([aptly.binary, f"-config={aptly.config}", "snapshot", "create", "work-x-all", "from", "repo", "main"])
    ensure(repository(aptly), deb, make_deb("other"))
    assert [name for name in aptly.snapshots() if name.startswith("work-")] == []


def test_client_finds_what_was_published(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    one, two = make_deb("one"), make_deb("two")
    publish(aptly, ensure(repository(aptly), one, two).name)
    assert differences([one, two], entries(read(aptly, public_key, "one=1.0-1"))) == []


def test_publishing_again_changes_nothing(aptly: Aptly, make_deb: MakeDeb) -> None:
    name = ensure(repository(aptly), make_deb()).name
    assert publish(aptly, name)
    assert not publish(aptly, name)


def test_switching_back_shows_the_older_snapshot(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    old = make_deb(version="1.0-1")
    first = ensure(repository(aptly), old)
    publish(aptly, first.name)
    publish(aptly, ensure(repository(aptly), make_deb(version="1.1-1")).name)
    publish(aptly, first.name)
    assert differences([old], entries(read(aptly, public_key))) == []


def test_interrupted_publish_is_brought_to_its_end(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    """aptly thinks it is published; the files are not all there, nor is the mark of an end."""
    deb = make_deb()
    name = ensure(repository(aptly), deb).name
    publish(aptly, name)
    (aptly.root / "complete" / "-bookworm-main").unlink()
    (aptly.root / "public" / "dists" / "bookworm" / "InRelease").unlink()
    assert publish(aptly, name)
    assert differences([deb], entries(read(aptly, public_key))) == []


def test_unknown_snapshot_is_named(aptly: Aptly) -> None:
    with pytest.raises(PackageError, match="Failed to publish nothing: there is no such snapshot"):
        publish(aptly, "nothing")


def test_client_refuses_an_altered_index(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    publish(aptly, ensure(repository(aptly), make_deb()).name)
    release = aptly.root / "public" / "dists" / "bookworm" / "InRelease"
    release.write_text(release.read_text().replace("Origin: tests", "Origin: other"))
    with pytest.raises(PackageError, match=r"(?s)as a client: apt says:.*BADSIG.*Fetch the repository's key again"):
        read(aptly, public_key)


def test_client_refuses_an_altered_package(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    publish(aptly, ensure(repository(aptly), make_deb()).name)
    (file,) = aptly.root.glob("public/pool/**/*.deb")
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1] + b"x")
    with pytest.raises(PackageError, match="as a client"):
        read(aptly, public_key, "greeting")


def test_client_says_that_nothing_is_there(aptly: Aptly, public_key: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="See whether the repository serves this address"):
        read(dataclasses.replace(aptly, root=tmp_path / "nowhere"), public_key)


def test_index_names_the_keys_that_may_follow(aptly: Aptly, make_deb: MakeDeb) -> None:
    make_key(aptly, "second@example.invalid")
    place = Publication(".", "bookworm", "main", ensure(repository(aptly), make_deb()).name)
    for trusted in ((), ("second@example.invalid",)):
        assert Publisher(aptly, Settings(KEY_EMAIL, "tests", "tests", trusted_keys=trusted)).ensure(place, 5).changed
        (line,) = re.findall("^Signed-By: (.*)$", (aptly.root / "public" / "dists" / "bookworm" / "InRelease").read_text(), re.MULTILINE)
        assert len(set(re.findall("[0-9A-F]{40}", line))) == 1 + len(trusted)


def test_client_refuses_an_unsigned_index(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    publish(aptly, ensure(repository(aptly), make_deb()).name)
    folder = aptly.root / "public" / "dists" / "bookworm"
    (folder / "InRelease").unlink()
    (folder / "Release.gpg").unlink()
    with pytest.raises(PackageError, match=r"(?s)as a client: apt says:.*not signed.*Fetch the repository's key again"):
        read(aptly, public_key)


def make_key(aptly: Aptly, email: str, parameters: str = "Expire-Date: 1d", *options: str) -> str:
    """A further signing key; returns its public half and that of the first."""
    text = f"%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Email: {email}\n{parameters}\n%commit\n"
    home = ["gpg", "--homedir", str((aptly.root / ".gnupg").resolve()), "--batch"]
    subprocess.run([*home, *options, "--generate-key"], input=text.encode(), check=True, capture_output=True)
    return subprocess.run([*home, "--armor", "--export", KEY_EMAIL, email], check=True, capture_output=True, text=True).stdout


def refused_to_sign(aptly: Aptly, make_deb: MakeDeb, key: str) -> str:
    """What the refusal says; and clients see what they saw before, until a run with the right key goes on."""
    first = ensure(repository(aptly), make_deb(version="1.0-1")).name
    publish(aptly, first)
    second = ensure(repository(aptly), make_deb(version="1.1-1")).name
    before = (aptly.root / "public" / "dists" / "bookworm" / "InRelease").read_bytes()
    with pytest.raises(PackageError) as error:
        publish(aptly, second, key=key)
    assert (aptly.root / "public" / "dists" / "bookworm" / "InRelease").read_bytes() == before
    assert publish(aptly, second)
    return str(error.value)


def test_a_missing_key_is_named(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    said = refused_to_sign(aptly, make_deb, "nobody@example.invalid")
    assert "cannot sign with nobody@example.invalid" in said
    assert len(entries(read(aptly, public_key))) == 1


def test_an_expired_key_is_named(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    make_key(aptly, "expired@example.invalid", "Expire-Date: 1d", "--faked-system-time", "20200101T000000!")
    assert "cannot sign with expired@example.invalid" in refused_to_sign(aptly, make_deb, "expired@example.invalid")


def test_another_key_signs_again_and_both_are_trusted_in_between(aptly: Aptly, make_deb: MakeDeb, public_key: str) -> None:
    deb = make_deb()
    name = ensure(repository(aptly), deb).name
    publish(aptly, name)
    both = make_key(aptly, "next@example.invalid")
    assert differences([deb], entries(read(aptly, both))) == []
    assert publish(aptly, name, key="next@example.invalid")
    assert not publish(aptly, name, key="next@example.invalid")
    assert differences([deb], entries(read(aptly, both))) == []
    with pytest.raises(PackageError, match="NO_PUBKEY"):
        read(aptly, public_key)
