"""The pipeline files of jenkins/, run once a verb so that their commands really run our playbooks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integration.jenkins.jenkins import Jenkins
from tests.scenarios.stacks.estate import Cloud, standing
from tools import checkout

SIGNATURE = "-----BEGIN SSH SIGNATURE-----\r\nU1NIU0lH\r\n-----END SSH SIGNATURE-----\r\n"


def archived(jenkins: Jenkins, job: str, name: str, content: object) -> None:
    """What an earlier build of a job left."""
    path = jenkins.artifacts(job) / "build" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def published(jenkins: Jenkins) -> Jenkins:
    """A Jenkins that has published packages and baked images."""
    package = {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "1" * 64}
    archived(jenkins, "packages", "releases/snapshot.json", {"snapshot": "20260101T000000Z-0123456789ab", "packages": {"twine": package}})
    for number, name in enumerate(("twine", "elasticsearch", "bastion"), start=1):
        archived(jenkins, "images", f"images/{name}.json", {"image_id": f"ami-{str(number) * 17}", "bake_key": str(number) * 12})
    return jenkins


def test_a_release_goes_to_development_and_signed_to_production_and_back(published: Jenkins, cloud: Cloud) -> None:
    jenkins = published
    release = jenkins.run("release", CHECK=False)
    assert (release.failure, release.plays()) == ("", ["release"]), release.log
    wanted = release.of("parameters")[0].arguments
    assert wanted | {"RELEASE": ""} == {"ENVIRONMENT": "dev", "RELEASE": "", "CHECK": False}
    assert (jenkins.artifacts("release") / "build" / "releases" / f"{wanted['RELEASE']}.yml").is_file()

    development = jenkins.run("deploy", **wanted)
    assert (development.failure, development.plays(), development.of("input")) == ("", ["deploy"], []), development.log
    assert {"dev/twine-access", "dev/twine-application"} == set(standing(cloud))

    form = {"ENVIRONMENT": "prod", "RELEASE": wanted["RELEASE"], "STACKS": "prod", "CHECK": False}
    production = jenkins.run("deploy", answer=SIGNATURE, **form)
    assert (production.failure, production.plays()) == ("", ["deploy", "roll_out"]), production.log
    assert "prod/twine-application" in standing(cloud)
    kept = jenkins.artifacts("deploy") / "build" / "releases" / f"{wanted['RELEASE']}.yml.sig"
    assert kept.read_text() == SIGNATURE.replace("\r", "")

    back = jenkins.run("roll_back", answer="", ENVIRONMENT="prod", RELEASE=wanted["RELEASE"], CHECK=False)
    assert (back.failure, back.plays()) == ("", ["roll_back"]), back.log
    assert "prod/application already is what the release says" in back.log or "rollout" in back.log
