"""systemd's units in a file system that is not running: their state by their links, and the environment of services."""

from __future__ import annotations

import posixpath
import shlex
from fnmatch import fnmatch

from .root import Root

# Highest first, as in systemd.unit(5); what lies in /run is gone at the next boot.
_FOLDERS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
_KINDS = (".service", ".socket", ".timer", ".target", ".mount", ".automount", ".swap", ".path", ".slice")
_INSTALLS = ("WantedBy", "RequiredBy", "UpheldBy", "Alias")
Section = dict[str, list[str]]


def states(root: Root) -> dict[str, str]:
    """Each unit with the state that ``systemctl list-unit-files`` would give it: enabled, disabled, masked, static, alias …"""
    links = _enabling_links(root)
    return {name: _state(root, name, links) for name in sorted(_names(root))}


def environments(root: Root) -> dict[str, dict[str, str]]:
    """Each service that is given variables, with them: of its unit, its drop-ins, and the files they name.

    A file that is not in the image (as one that is written at boot) stands under its name with ``(comes later)``.
    """
    found = {}
    for name in sorted(_names(root)):
        path = _path(root, name)
        if name.endswith(".service") and not _is_masked(root, path) and posixpath.basename(root.real(path)) == name:
            section = _merged(root, name, path).get("Service", {})
            if variables := _variables(root, section):
                found[name] = variables
    return found


def _names(root: Root) -> set[str]:
    return {name for folder in _FOLDERS for name in root.names(folder) if name.endswith(_KINDS)}


def _path(root: Root, name: str) -> str:
    """Where the unit's definition lies: the first folder that has it; a template's for an instance; empty if none has."""
    for wanted in dict.fromkeys((name, _template(name))):
        for folder in _FOLDERS:
            if f"{folder}/{wanted}" in root.entries or root.real(f"{folder}/{wanted}") in root.entries:
                return f"{folder}/{wanted}"
    return ""


def _template(name: str) -> str:
    stem, at, rest = name.partition("@")
    return f"{stem}@.{rest.rpartition('.')[2]}" if at else name


def _is_masked(root: Root, path: str) -> bool:
    real = root.real(path)
    entry = root.entries.get(real)
    return real == "/dev/null" or (entry is not None and entry.kind == "file" and root.contents.get(real) == b"")


def _enabling_links(root: Root) -> set[tuple[str, str]]:
    """(name of the link, name of what it leads to) of all that an administrator enabled: wants, requires, aliases."""
    links = set()
    top = _FOLDERS[0]
    for name in root.names(top):
        if name.endswith((".wants", ".requires", ".upholds")):
            links |= {(inner, _target(root, f"{top}/{name}/{inner}")) for inner in root.names(f"{top}/{name}")}
        elif name.endswith(_KINDS) and (target := _target(root, f"{top}/{name}")) != name:
            links.add((name, target))
    return links


def _target(root: Root, path: str) -> str:
    entry = root.entries.get(path)
    return posixpath.basename(entry.target) if entry is not None and entry.kind == "link" else posixpath.basename(path)


def _state(root: Root, name: str, links: set[tuple[str, str]]) -> str:
    path = _path(root, name)
    if _is_masked(root, path):
        return "masked"
    real = root.real(path)
    is_known = posixpath.dirname(real) in {root.real(folder) for folder in _FOLDERS}
    if posixpath.basename(real) != name:
        return "alias" if is_known else "linked"
    install = _parsed(root.text(path)).get("Install", {})
    aliases = {word for line in install.get("Alias", []) for word in line.split()}
    if any(link == name or _template(link) == name or (target == name and link in aliases) for link, target in links):
        return "enabled"
    if any(target == name for _link, target in links):
        return "indirect"
    if not is_known:
        return "linked"
    if any(install.get(key) for key in _INSTALLS):
        return "disabled"
    return "indirect" if install.get("Also") else "static"


def _merged(root: Root, name: str, path: str) -> dict[str, Section]:
    """The unit with its drop-ins, which are read by file name whatever folder they lie in; the first folder's wins."""
    stem, _dot, kind = name.rpartition(".")
    folders = [f"{name}.d", f"{_template(name)}.d", *_prefixes(stem, kind), f"{kind}.d"]
    drop_ins: dict[str, str] = {}
    for folder in dict.fromkeys(folders):
        for place in _FOLDERS:
            for inner in root.names(f"{place}/{folder}"):
                if inner.endswith(".conf"):
                    drop_ins.setdefault(inner, f"{place}/{folder}/{inner}")
    merged = _parsed(root.text(path))
    for inner in sorted(drop_ins):
        for section, settings in _parsed(root.text(drop_ins[inner])).items():
            for key, values in settings.items():
                merged.setdefault(section, {}).setdefault(key, []).extend(values)
    return merged


def _prefixes(stem: str, kind: str) -> list[str]:
    parts = stem.split("-")
    return [f"{'-'.join(parts[:count])}-.{kind}.d" for count in range(len(parts) - 1, 0, -1)]


def _parsed(text: str) -> dict[str, Section]:
    sections: dict[str, Section] = {}
    section: Section = {}
    pending = ""
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("#", ";")) or (not line and not pending):
            continue
        line = pending + line
        pending = f"{line[:-1]} " if line.endswith("\\") else ""
        if pending:
            continue
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(line[1:-1], {})
        elif "=" in line:
            key, _equals, value = line.partition("=")
            section.setdefault(key.strip(), []).append(value.strip())
    return sections


def _variables(root: Root, section: Section) -> dict[str, str]:
    variables: dict[str, str] = {}
    for line in _since_reset(section.get("Environment", [])):
        variables |= dict(word.partition("=")[::2] for word in _words(line) if "=" in word)
    for line in _since_reset(section.get("EnvironmentFile", [])):
        name = line.removeprefix("-")
        files = [path for path in sorted(root.contents) if fnmatch(path, root.real(name))]
        for path in files:
            lines = (text.strip() for text in root.text(path).splitlines())
            pairs = (text.partition("=") for text in lines if "=" in text and not text.startswith(("#", ";")))
            variables |= {key.strip(): "".join(_words(value)) if value.strip()[:1] in ("'", '"') else value.strip() for key, _equals, value in pairs}
        if not files:
            variables[name] = "(comes later)"
    return variables


def _since_reset(lines: list[str]) -> list[str]:
    """An empty assignment takes back those before it."""
    kept: list[str] = []
    for line in lines:
        kept = [*kept, line] if line else []
    return kept


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return [line]
