"""A definition's fields, read strictly: each mistake is named by file and key, with what to do."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import PackageError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The mapping in a YAML file."""
    # Imported here: the parts of this package that run on machines have no PyYAML there, and read no definition.
    yaml = importlib.import_module("yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackageError(f"read {path}", str(error.strerror), "Add the file as packages/README.md shows it") from None
    except ValueError as error:
        raise PackageError(f"read {path}", f"it is no text: {error}", "Write it in UTF-8") from None
    except yaml.YAMLError as error:
        raise PackageError(f"read {path}", f"it is no YAML: {error}", "Mend the line named") from None
    if not isinstance(content, dict):
        raise PackageError(f"read {path}", "it holds no mapping", "Begin with 'name:' as packages/README.md shows it")
    return content


def suggestion(word: str, known: Sequence[str]) -> str:
    """`Did you mean …?`, or nothing when no known word is like this one."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


class Fields:
    """A mapping that knows which of its keys were read, and says what is wrong with the others."""

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self._path = path
        self._values = values
        self._prefix = prefix
        self._read: list[str] = []

    def wrong(self, key: str, why: str, remedy: str) -> PackageError:
        return PackageError(f"read {self._path}", f"{self._prefix}{key} {why}", remedy)

    def seen(self, key: str) -> None:
        self._read.append(key)

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str):
            hint = "Put it in quotes, so that YAML does not take it for a number" if isinstance(value, int | float) else ""
            raise self.wrong(key, f"is {_type(value)}, not text", hint or "Write text")
        if not value.strip():
            raise self.wrong(key, "is empty", "Write its value")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], what: str, remedy: str) -> str:
        value = self.text(key)
        if not pattern.fullmatch(value):
            raise self.wrong(key, f"is '{value}', not {what}", remedy)
        return value

    def digest(self, key: str) -> str:
        if key not in self._values:
            raise self.wrong(key, "is missing", "Add the file's SHA-256 (sha256sum FILE prints it)")
        value = self.text(key)
        if not _SHA256.fullmatch(value):
            raise self.wrong(key, f"is '{value}', not a SHA-256", "Write 64 lower-case hexadecimal digits")
        return value

    def number(self, key: str, default: int) -> int:
        self.seen(key)
        value = self._values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(key, f"is {value!r}, not a whole number from 1", "Write a number such as 1")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            remedy = suggestion(value, choices) or f"Choose one of {', '.join(choices)}"
            raise self.wrong(key, f"is '{value}'", remedy)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        self.seen(key)
        value = self._values.get(key) or []
        if not isinstance(value, list):
            raise self.wrong(key, f"is {_type(value)}, not a list of names", "Write [name, name]")
        for number, item in enumerate(value):
            if not isinstance(item, str) or not item.strip():
                raise self.wrong(f"{key}[{number}]", f"is {_type(item)}, not text", "Put it in quotes")
        return tuple(value)

    def commands(self, key: str) -> tuple[str, ...]:
        """At least one command of a shell."""
        if not self._values.get(key):
            raise self.wrong(key, "is missing", "List commands that must succeed where the package is installed, such as 'PROGRAM --version'")
        if not isinstance(self._values[key], list):
            raise self.wrong(key, f"is {_type(self._values[key])}, not a list of commands", "Write '- PROGRAM --version'")
        commands = self.texts(key)
        if any("\n" in command.strip() for command in commands):
            raise self.wrong(key, "has a command of several lines", "Give each command an entry of its own, or fold it with '>-'")
        return tuple(command.strip() for command in commands)

    def folder(self, key: str) -> str:
        """A folder below the definition's own, by default that one."""
        self.seen(key)
        value = self._values.get(key, ".")
        if not isinstance(value, str) or not (self._path.parent / value).is_dir():
            raise self.wrong(key, f"is {value!r}, and there is no such folder here", "Name a folder below this file's, or leave it out")
        return value

    def below(self, key: str) -> Fields:
        value = self._required(key)
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {_type(value)}, not a mapping", "Write 'kind:' below it")
        return Fields(self._path, value, f"{self._prefix}{key}.")

    def finish(self) -> None:
        for key in self._values:
            if key not in self._read:
                remedy = suggestion(str(key), self._read) or f"Known fields here: {', '.join(sorted(self._read))}"
                raise self.wrong(str(key), "is an unknown field", remedy)

    def _required(self, key: str) -> Any:
        self.seen(key)
        if self._values.get(key) is None:
            raise self.wrong(key, "is missing", "Add it as packages/README.md shows it")
        return self._values[key]


def _type(value: object) -> str:
    names = {str: "text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), type(value).__name__)
