"""The pipeline files of jenkins/, run once a verb so that their commands really run our playbooks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.jenkins.jenkins import Build, Jenkins, place
from tests.scenarios.stacks.estate import Cloud, standing
from tools import checkout

PIPELINES = checkout.ROOT / "jenkins"
NAMES = sorted(path.parent.name for path in (checkout.ROOT / "packages").glob("*/package.yml"))
VERBS = ["packages", "images", "release", "deploy", "roll_back"]


def archived(jenkins: Jenkins, job: str, name: str, content: object) -> None:
    """What an earlier build of a job left."""
    path = jenkins.artifacts(job) / "build" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def notified(build: Build) -> bool:
    """Whether who is to be told was told of that failure."""
    mails = [step.arguments for step in build.of("mail")]
    return [mail["to"] for mail in mails] == ["ops@example.org"] and build.job in mails[0]["subject"] and build.failure in mails[0]["body"]


@pytest.fixture
def published(jenkins: Jenkins, repository: Path) -> Jenkins:
    """A Jenkins that has published those packages, and baked images."""
    left = jenkins.artifacts("packages") / "build"
    shutil.copytree(repository / "packages", left / "packages", ignore=shutil.ignore_patterns("work", ".lock"), copy_function=place)
    shutil.copytree(repository / "keys", left / "keys", ignore=lambda _folder, names: set(names) - {"archive-keyring.asc"})
    archived(jenkins, "packages", "releases/snapshot.json", json.loads((repository / "releases" / "snapshot.json").read_text()))
    for number, name in enumerate(("twine", "elasticsearch", "bastion"), start=1):
        archived(jenkins, "images", f"images/{name}.json", {"image_id": f"ami-{str(number) * 17}", "bake_key": str(number) * 12, "inputs": {}})
    return jenkins


def test_a_release_goes_to_development_and_signed_to_production_and_back(published: Jenkins, cloud: Cloud, sign: Callable[[Path], str]) -> None:
    jenkins = published
    release = jenkins.run("release", CHECK=False)
    assert (release.failure, release.plays()) == ("", ["release"]), release.log
    wanted = release.of("parameters")[0].arguments
    name = wanted["RELEASE"]
    assert wanted == {"ENVIRONMENT": "dev", "RELEASE": name, "CHECK": False}
    file = jenkins.artifacts("release") / "build" / "releases" / f"{name}.yml"
    assert f"name: {name}\n" in file.read_text()

    development = jenkins.run("deploy", STACKS="prod", **wanted)
    assert (development.failure, development.plays(), development.of("input")) == ("", ["deploy"], []), development.log
    assert set(standing(cloud)) == {"dev/twine-access", "dev/twine-application"}

    forged = sign(file).replace("A", "B")
    refused = jenkins.run("deploy", answer=forged, ENVIRONMENT="prod", RELEASE=name, STACKS="prod", CHECK=False)
    assert "Failed to accept release file" in refused.log and notified(refused)
    assert set(standing(cloud)) == {"dev/twine-access", "dev/twine-application"}

    signature = sign(file)
    # A browser ends lines in its own way.
    pasted = signature.replace("\n", "\r\n")
    production = jenkins.run("deploy", answer=pasted, ENVIRONMENT="prod", RELEASE=name, STACKS="prod", CHECK=False)
    assert (production.failure, production.plays()) == ("", ["deploy", "roll_out"]), production.log
    assert production.inside("deploy") == production.inside("roll_out") == ("node twine", "lock estate")
    assert "prod/twine-application" in standing(cloud)
    assert (jenkins.artifacts("deploy") / "build" / "releases" / f"{name}.yml.sig").read_text() == signature

    back = jenkins.run("roll_back", answer="", ENVIRONMENT="prod", RELEASE=name, CHECK=False)
    assert (back.failure, back.plays()) == ("", ["roll_back"]), back.log
    assert (back.of("input")[0].arguments["submitter"], back.inside("roll_back")) == ("ada,bob", ("node twine", "lock estate"))


def test_packages_are_built_side_by_side_and_published_one_after_another(published: Jenkins) -> None:
    jenkins = published
    build = jenkins.run("packages", PACKAGES="twine-machine twine-archive-keyring", CHECK=False)

    assert build.failure == "", build.log
    assert build.plays() == ["repository", "build_packages", "build_packages", "build_packages", "publish_packages"]
    branches = [block for step in build.steps for block in step.inside if block.startswith("branch ")]
    assert set(branches) == {"branch twine-machine", "branch twine-archive-keyring"}
    assert build.inside("build_packages")[1:] == ("branch twine-machine", "node twine")
    assert build.inside("publish_packages") == ("lock repository", "node twine")
    snapshot = json.loads((jenkins.artifacts("packages") / "build" / "releases" / "snapshot.json").read_text())
    assert set(snapshot["packages"]) == set(NAMES)


def test_a_dry_run_of_images_says_what_would_be_baked(published: Jenkins) -> None:
    build = published.run("images", IMAGES="twine bastion", CHECK=True)
    assert (build.failure, build.plays(), build.inside("bake_image")) == ("", ["bake_image"], ("node twine", "lock images")), build.log
    assert set(re.findall(r"^\s*\+(\w+) package ", build.log, re.MULTILINE)) == {"twine", "bastion"}
    assert "--check --diff" in build.log


def test_words_of_a_form_reach_the_playbook_and_no_shell_and_its_refusal_is_told(published: Jenkins, tmp_path: Path) -> None:
    word = f"$(touch${{IFS}}{tmp_path / 'owned'})"
    build = published.run("images", IMAGES=word, CHECK=False)
    assert (build.failure, build.plays()) == ("script returned exit code 2", ["bake_image"])
    assert f"Failed to bake {word}: no such image" in " ".join(build.log.split()) and notified(build)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("job", "answer", "why"),
    [("deploy", None, "Rejected"), ("deploy", "", "no signature was given"), ("roll_back", None, "Rejected")],
)
def test_production_is_out_of_reach_without_a_person(job: str, answer: str | None, why: str, jenkins: Jenkins) -> None:
    build = jenkins.run(job, answer=answer, ENVIRONMENT="prod", RELEASE="1.0.0-01234567", STACKS="prod", CHECK=False)
    assert why in build.failure and notified(build)
    assert [step.name for step in build.steps if step.name not in ("mail", "error")] == ["input"]


@pytest.mark.parametrize(("job", "name"), [("deploy", "../../etc/passwd"), ("deploy", "1; touch owned"), ("deploy", ""), ("roll_back", "-e")])
def test_a_release_that_can_be_none_is_refused_before_anything_runs(job: str, name: str, jenkins: Jenkins) -> None:
    build = jenkins.run(job, ENVIRONMENT="dev", RELEASE=name, STACKS="", CHECK=False)
    assert "that is no name" in build.failure and (build.of("sh"), notified(build)) == ([], True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def found = ('a' =~ /a/)\nlock('a') { lock('b') { found.find() } }", "NotSerializable"),
        ("shell 'make'", "No signature of method"),
        ("def (", "startup failed"),
    ],
)
def test_what_jenkins_could_not_run_is_found(text: str, why: str, jenkins: Jenkins, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.groovy"
    path.write_text(text)
    assert why in jenkins.run("none", file=path).failure


def test_jobs_are_the_pipelines_with_the_forms_that_they_read(jenkins: Jenkins) -> None:
    calls = jenkins.jobs(REPOSITORY="git@git.example.org:twine.git", CREDENTIALS="repository", BRANCH="main")
    common = set(re.findall(r"params\.([A-Z]+)", (PIPELINES / "common.groovy").read_text()))
    assert [call["arguments"][0] for call in calls] == VERBS
    for call in calls:
        told = json.dumps(call)
        script = re.findall(r'"scriptPath", "arguments": \["([^"]+)"\]', told)
        form = set(re.findall(r'Param", "arguments": \["([A-Z]+)"', told))
        assert script == [f"jenkins/{call['arguments'][0]}.groovy"]
        assert form == common | set(re.findall(r"params\.([A-Z]+)", (checkout.ROOT / script[0]).read_text()))
        assert '"url", "arguments": ["git@git.example.org:twine.git"]' in told and '"branch", "arguments": ["main"]' in told


@pytest.mark.parametrize("verb", VERBS)
def test_pipelines_are_short(verb: str) -> None:
    assert len((PIPELINES / f"{verb}.groovy").read_text().splitlines()) <= 30
