"""Why a bake failed, in one sentence, read from what Packer and Ansible said."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress

_PACKER = re.compile(r"^(?:==> |    )?[\w.-]+\.machine: ?")
_TASK = re.compile(r"^TASK \[(?:twine\.platform\.)?(?P<name>.+?)\] \*+$")
_FATAL = re.compile(r"^fatal: \[[^\]]*\]: (?:FAILED|UNREACHABLE)! =>")
_MESSAGE = re.compile(r"^(?P<indent>\s+)msg: (?P<text>.*)$")
_ENDED = re.compile(r"^Build '[^']*' errored after [^:]*: (?P<text>.*)$")
_ERROR = re.compile(r"^(?:Error|E): (?P<text>.*)$")
# A script's or a role's own sentence: it says what to do, too.
_SENTENCE = re.compile(r"Failed to .*")
_BLOCK = re.compile(r"^[>|][-+]?\d*$")
MOST_LETTERS = 600
HINTS: Sequence[tuple[str, str]] = (
    (
        r"(?i)could not get lock|unable to (?:acquire|lock)|failed to lock|is another process using it",
        "Something on that machine, such as a job of its first boot, holds apt's lock: wait for its end or stop it, then bake again",
    ),
    (
        r"(?i)no space left|enough free space|disk quota|errno 28",
        "Free space where Docker keeps its data (`docker system df`), then bake again",
    ),
    (
        r"(?i)could not connect|temporary failure resolving|could not resolve|failed to fetch|connection (?:refused|timed out|failed)",
        "The package repository does not answer: run playbooks/repository.yml (make published), then bake again",
    ),
    (r"(?i)no such container|is not running", "Something removed the machine while it was baked: bake again"),
)


def reason(log: str) -> str:
    """One sentence without its full stop: which task failed, and of what; empty if the log does not tell."""
    lines = [_PACKER.sub("", line).rstrip() for line in log.splitlines()]
    return _shortened(_of_ansible(lines) or _of_a_script(lines) or _of_packer(lines))


def remedy(why: str, log: str) -> str:
    """What to do about it, a sentence without its full stop."""
    return next((what for pattern, what in HINTS if re.search(pattern, why)), f"Read {log}, mend what it tells, then bake again")


def _of_ansible(lines: Sequence[str]) -> str:
    """The last task that failed for good, and its message."""
    fatal = next((number for number in range(len(lines) - 1, -1, -1) if _FATAL.match(lines[number])), None)
    if fatal is None:
        return ""
    task = next((found["name"] for line in reversed(lines[:fatal]) if (found := _TASK.match(line))), "a task")
    message = _message(lines[fatal:])
    return message if message.startswith("Failed to ") else f"task '{task}': {message}" if message else f"task '{task}' failed"


def _message(lines: Sequence[str]) -> str:
    """The value of ``msg`` in a result that is printed as JSON or as YAML, its further lines joined."""
    with suppress(ValueError):
        return " ".join(str(json.loads(lines[0].partition("=> ")[2]).get("msg", "")).split())
    for number, line in enumerate(lines):
        if found := _MESSAGE.match(line):
            words = [] if _BLOCK.match(found["text"]) else [found["text"].strip("'\"")]
            for further in lines[number + 1 :]:
                if further.strip() and not further.startswith(f"{found['indent']} "):
                    break
                words.append(further.strip())
            return " ".join(" ".join(words).split()).strip("'\"")
    return ""


def _of_a_script(lines: Sequence[str]) -> str:
    """A script's sentence that begins as ours do, with the lines below it that name things."""
    for number in range(len(lines) - 1, -1, -1):
        if found := _SENTENCE.search(lines[number]):
            named = []
            for line in lines[number + 1 :]:
                if not line.startswith("/"):
                    break
                named.append(line)
            return " ".join([found[0], ", ".join(named)]).strip()
    return ""


def _of_packer(lines: Sequence[str]) -> str:
    for pattern in (_ENDED, _ERROR):
        for line in reversed(lines):
            if found := pattern.match(line):
                return found["text"]
    return ""


def _shortened(text: str) -> str:
    text = " ".join(text.split()).rstrip(".?! ")
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} …"
