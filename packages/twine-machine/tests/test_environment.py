"""KEY=VALUE lines."""

from __future__ import annotations

import pytest
from twine_machine.environment import parse, render
from twine_machine.errors import MachineError
from twine_machine.wanted import Wanted, wanted


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# a comment\n\nA=1\n", {"A": "1"}),
        ("A=b=c\r\nB=\n", {"A": "b=c", "B": ""}),
        ("A='b c'\nB=\"d\"\n", {"A": "b c", "B": "d"}),
    ],
)
def test_lines_are_read(text: str, values: dict[str, str]) -> None:
    assert parse(text, "it") == values


@pytest.mark.parametrize("line", ["#!/bin/sh\nset -e", "export A=1", "a=1", "=x", "secret word", "1A=x"])
def test_what_is_no_line_is_refused_by_its_number_and_not_shown(line: str) -> None:
    with pytest.raises(MachineError, match=r"Failed to read the user data: line \d is not of the form KEY=VALUE") as caught:
        parse(line, "the user data")
    assert "secret" not in str(caught.value)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(MachineError, match="line 2 says A again"):
        parse("A=1\nA=2", "it")


def test_what_systemd_would_take_apart_is_quoted() -> None:
    values = {"A": "x", "B": 'a "b" $c\\'}
    assert parse(render(values), "it") == values
    assert render(values) == 'A=x\nB="a \\"b\\" \\$c\\\\"\n'


@pytest.mark.parametrize(
    ("key", "file", "kind"),
    [
        ("TWINE_DATABASE_SECRET_ARN", "database", "secret"),
        ("TWINE_SESSION_KEY_SECRET_ARN", "session_key", "secret"),
        ("TWINE_SEARCH_CA_PARAMETER", "search_ca", "parameter"),
        ("MACHINE_TOKEN_PARAMETER", "token", "parameter"),
        ("OTHER_SECRET_ARN", "other", "secret"),
    ],
)
def test_keys_ask_for_secrets_by_name(key: str, file: str, kind: str) -> None:
    assert wanted({key: "x", "TWINE_ENVIRONMENT": "dev"}) == [Wanted(key, file, kind, "x")]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"TWINE_A_SECRET_ARN": "x", "MACHINE_A_PARAMETER": "y"}, "both make the file a"),
        ({"TWINE_A_SECRET_ARN": ""}, "TWINE_A_SECRET_ARN names nothing"),
    ],
)
def test_unclear_wishes_are_refused(values: dict[str, str], why: str) -> None:
    with pytest.raises(MachineError, match=why):
        wanted(values)
