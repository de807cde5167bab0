"""aptly, which runs in the repository machine: a static program for Linux, from PATH or built by Go."""

from __future__ import annotations

from collections.abc import Callable

from tools import checkout, go_build, packer, work

BINARY = checkout.BINARIES / "aptly"


def ensure(progress: Callable[[str], None]) -> str:
    """Make sure of build/tools/bin/aptly, and say where it came from."""
    pins = work.pins()["aptly"]
    on_path = packer.from_path("aptly", work.as_version(pins["minimum"]))
    stamp = work.Stamp("aptly", work.digest(pins, str(on_path)), [BINARY])
    if stamp.fresh():
        return f"{pins['version']} is there"
    if on_path and _runs_in_a_machine(on_path.resolve().as_posix()):
        packer.link(BINARY, on_path.resolve())
        stamp.write()
        return f"from {on_path}"
    progress("building aptly")
    source = go_build.download("github.com/aptly-dev/aptly", pins["version"], pins["module_sum"])
    # Its release writes VERSION, which the program embeds.
    go_build.build_copy(source, BINARY, {"VERSION": pins["version"]})
    stamp.write()
    return f"{pins['version']} from Go's module proxy"


def _runs_in_a_machine(path: str) -> bool:
    """Say whether a program from this host also runs in Debian 12: one linked to a newer C library would not."""
    image = work.pins()["base"]["image"]
    command = ["docker", "run", "--rm", "--network=none", f"--label={checkout.label()}", f"--volume={path}:/aptly:ro", image, "/aptly", "version"]
    return work.attempt(command).returncode == 0
