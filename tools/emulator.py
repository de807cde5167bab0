"""The AWS emulator's own libraries, for the Python of Debian 12, where it runs: not in .venv, because it pins botocore exactly."""

from __future__ import annotations

import shutil

from tools import checkout, python_env, work

TARGET = checkout.BUILD / "local_cloud" / "site-packages"
REQUIREMENTS = checkout.ROOT / "requirements-local-cloud.txt"
PYTHON = "3.11"


def ensure() -> str:
    """Make build/local_cloud/site-packages what requirements-local-cloud.txt says, and see it imported in a machine."""
    image = work.pins()["base"]["image"]
    stamp = work.Stamp("emulator", work.digest(REQUIREMENTS, PYTHON), [TARGET, TARGET / "ministack" / "app.py"])
    if stamp.fresh():
        return "ministack is there"
    draft = TARGET.with_name(".site-packages.new")
    shutil.rmtree(draft, ignore_errors=True)
    uv: work.Words = [python_env.UV, "pip", "install", "--quiet", "--target", draft, "--python", python_env.PYTHON]
    command: work.Words = [*uv, "--python-version", PYTHON, "--only-binary", ":all:", "--require-hashes", "-r", REQUIREMENTS]
    work.run("install the emulator", command, log="emulator", remedy=python_env.REMEDY, env=python_env.index())
    mount = f"--volume={draft}:/site-packages:ro"
    command = ["docker", "run", "--rm", "--network=none", f"--label={checkout.label()}", mount, "--env=PYTHONPATH=/site-packages"]
    command += [image, "python3", "-c", "import ministack.app"]
    work.run("import the emulator", command, log="emulator", remedy="Its libraries and the base image's Python do not fit; check the pins.")
    shutil.rmtree(TARGET, ignore_errors=True)
    draft.rename(TARGET)
    stamp.write()
    return f"ministack for Python {PYTHON}"
