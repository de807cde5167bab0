"""Whether what is about to be deployed is what a signed release names. An account that names signers takes nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .release import Release


@dataclass(frozen=True)
class Standing:
    """A stack as it is about to be deployed: the file name and SHA-256 of its template, the digest of what it takes from where."""

    template: str
    sha256: str
    plan: str


def closed(signers: Mapping[str, str], only: Iterable[str]) -> dict[str, str]:
    """Of the accounts with their files of allowed signers, those that this run enters and that name one."""
    wanted = {name.split("/")[0] for name in only}
    return {account: file for account, file in signers.items() if file and (not wanted or account in wanted)}


def strange(release: Release, stacks: Mapping[str, Standing]) -> list[str]:
    """A sentence for each stack that is not as the release names it."""
    found = []
    for key, stack in stacks.items():
        if release.templates.get(stack.template) != stack.sha256:
            found.append(f"{key}: its template {stack.template} is another")
        elif release.plan.get(key) != stack.plan:
            found.append(f"{key}: it is defined otherwise" if key in release.plan else f"{key}: it is not in that release")
    return found
