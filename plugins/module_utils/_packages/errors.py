"""The one error of this package."""

from __future__ import annotations


class PackageError(Exception):
    """Something about a package failed, said for people: what failed, why, and what to do."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        super().__init__(f"Failed to {what}: {_sentence(why)} {_sentence(remedy)}")
        self.what = what
        self.why = why
        self.remedy = remedy


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
