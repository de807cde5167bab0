"""Settings and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from twine.errors import TwineError
from twine.settings import Secrets, machine_values, read_settings

NEEDED = {"TWINE_DATABASE_HOST": "db", "TWINE_SESSION_REDIS_URL": "redis://shared/0"}


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_needed_is_named(name: str) -> None:
    with pytest.raises(TwineError, match=f"{name} is not set"):
        read_settings({**NEEDED, name: " "})


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_is_a_number(value: str) -> None:
    with pytest.raises(TwineError, match="TWINE_DATABASE_POOL"):
        read_settings({**NEEDED, "TWINE_DATABASE_POOL": value})


def test_the_defaults_suit_a_small_machine() -> None:
    settings = read_settings(NEEDED)

    assert (settings.database_pool, settings.threads, settings.waiting) == (4, 8, 40)
    assert (settings.client_share, settings.client_allowance) == (6, 12)
    assert settings.bind == "unix:/run/twine/twine.sock"
    assert settings.search_url is None


def test_the_first_folder_that_has_a_secret_gives_it(tmp_path: Path) -> None:
    first, second = tmp_path / "run", tmp_path / "etc"
    for folder in (first, second):
        folder.mkdir()
        (folder / "search").write_text(f"from {folder.name}\n")
    (second / "session_key").write_text("only here")
    secrets = Secrets((first, second))

    assert (secrets.read("search"), secrets.read("session_key")) == ("from run", "only here")


def test_a_missing_secret_is_named_with_its_folders(tmp_path: Path) -> None:
    with pytest.raises(TwineError, match=f"secret database: no such file in {tmp_path}"):
        Secrets((tmp_path,)).read("database")


@pytest.mark.parametrize("content", ["", "plain", "[]", '{"username": "x"}'])
def test_a_secret_of_another_form_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "database").write_text(content)
    with pytest.raises(TwineError, match="not of the form") as caught:
        Secrets((tmp_path,)).read_login("database")

    assert "plain" not in str(caught.value)


def test_machine_files_are_read_as_units_read_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.env", tmp_path / "b.env"
    first.write_text('# a comment\nTWINE_A=1\nTWINE_B="two words"\n\nno assignment\n')
    second.write_text("TWINE_A='later'\nTWINE_C=a=b\n; another\n")

    assert machine_values((first, tmp_path / "none", second)) == {"TWINE_A": "later", "TWINE_B": "two words", "TWINE_C": "a=b"}
