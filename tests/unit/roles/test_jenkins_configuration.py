"""Jenkins' configuration as code: as its plugins read it, without a secret, and with what the pipelines need."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tools import jenkins

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "jenkins"
SCHEMA = yaml.safe_load((Path(__file__).parent / "jenkins.schema.yml").read_text())
PLUGINS = (ROLE / "files/etc/jenkins/controller/plugins.txt").read_text()
# Beside those who come with tools/jenkins.py: somebody who may start builds only.
USERS = [{"name": "ada", "may": "approve"}, {"name": "bob", "may": "build"}, {"name": "eve", "may": "administer"}]
# Which plugin brings the steps, symbols and calls that pipelines and jobs use. Core and `workflow-cps` bring the rest.
BRINGS = {
    "archiveArtifacts": "workflow-basic-steps",
    "build": "pipeline-build-step",
    "checkout": "workflow-scm-step",
    "copyArtifacts": "copyartifact",
    "error": "workflow-basic-steps",
    "input": "pipeline-input-step",
    "lock": "lockable-resources",
    "mail": "workflow-basic-steps",
    "node": "workflow-durable-task-step",
    "pipelineJob": "job-dsl",
    "pwd": "workflow-basic-steps",
    "sh": "workflow-durable-task-step",
    "stash": "workflow-basic-steps",
    "unstash": "workflow-basic-steps",
    "withEnv": "workflow-basic-steps",
    "writeFile": "workflow-basic-steps",
}


def configuration(**changes: Any) -> Any:
    return yaml.safe_load(jenkins.rendered("etc/jenkins/casc/jenkins.yaml", **{"jenkins_users": USERS, **changes}))


WHOLE = {"jenkins_secrets": {"repository": "key", "smtp": "password", "user_ada": "password"}}


@pytest.mark.parametrize("changes", [{}, WHOLE], ids=["least", "whole"])
def test_the_configuration_is_what_its_plugins_read(changes: dict[str, Any]) -> None:
    jsonschema.validate(configuration(**changes), SCHEMA)


def test_names_that_yaml_would_misread_stay_names() -> None:
    users = [{"name": "no", "may": "approve"}, {"name": "0123", "may": "look"}]
    found = configuration(jenkins_users=users, jenkins_branch="1.10")
    jsonschema.validate(found, SCHEMA)
    assert [user["id"] for user in found["jenkins"]["securityRealm"]["local"]["users"]] == ["no", "0123"]
    assert found["jobs"][0]["providedEnv"]["BRANCH"] == "1.10"


def put(path: str, value: Any) -> Callable[[Any], None]:
    """A change of one value, by its path."""

    def change(data: Any) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in way:
            data = data[part]
        data[last] = value

    return change


AGENT = "jenkins/clouds/0/docker/templates/0"
BROKEN = {
    "builds on the controller": put("jenkins/numExecutors", 2),
    "anybody signs up": put("jenkins/securityRealm/local/allowsSignup", True),
    "a password in the file": put("jenkins/securityRealm/local/users/0/password", "secret"),
    "a key in the file": put(
        "credentials/system/domainCredentials/0/credentials/0/basicSSHUserPrivateKey/privateKeySource/directEntry/privateKey", "-----BEGIN"
    ),
    "strangers may read": put("jenkins/authorizationStrategy/globalMatrix/entries/0/user/name", "anonymous"),
    "a permission that is none": put("jenkins/authorizationStrategy/globalMatrix/entries/0/user/permissions", ["Job/Bild"]),
    "another word for executors": put("jenkins/executors", 0),
    "an unknown root": put("jenkin", {}),
    "no address for failures": put("jenkins/globalNodeProperties/0/envVars/env/1/value", ""),
    "a job that is typed in": put("jobs/1", {"script": "job('a')"}),
    "an agent that stays": put(f"{AGENT}/retentionStrategy", {"always": {}}),
    "an agent from elsewhere": put(f"{AGENT}/pullStrategy", "PULL_ALWAYS"),
    "an agent that is root": put(f"{AGENT}/dockerTemplateBase/user", "root"),
    "a mount that is none": put(f"{AGENT}/dockerTemplateBase/mountsString", "/:/host\n"),
    "a privileged agent": put(f"{AGENT}/dockerTemplateBase/privileged", True),
    "a port as a number": put("unclassified/mailer/smtpPort", 25),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_configuration_is_found(change: Callable[[Any], None]) -> None:
    data = copy.deepcopy(configuration(**WHOLE))
    change(data)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


def test_who_approves_is_whom_pipelines_ask() -> None:
    variables = {pair["key"]: pair["value"] for pair in configuration()["jenkins"]["globalNodeProperties"][0]["envVars"]["env"]}
    assert variables == {"ESTATE": "example", "NOTIFY": "ops@example.org", "APPROVERS": "ada"}
    used = {name for path in (ROOT / "jenkins").glob("*.groovy") for name in re.findall(r"\benv\.([A-Z]+)\b", path.read_text())}
    assert used - {"JOB_NAME", "BUILD_NUMBER", "BUILD_URL"} <= set(variables)


def test_each_plugin_is_pinned_once_and_in_order() -> None:
    lines = [line for line in PLUGINS.splitlines() if not line.startswith("#")]
    names = [line.split(":")[0] for line in lines]
    assert all(re.fullmatch(r"[a-z0-9-]+:[\w.-]+", line) and "latest" not in line for line in lines)
    assert names == sorted(set(names))
    wanted = {line for line in (ROLE / "files/plugins.in").read_text().splitlines() if not line.startswith("#")}
    assert wanted <= set(names)


def test_each_step_of_the_pipelines_has_its_plugin() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "jenkins").glob("*.groovy"))
    used = {step for step in BRINGS if re.search(rf"\b{step}\b[ (]", text)}
    assert used == set(BRINGS)
    assert {plugin for plugin in BRINGS.values() if f"\n{plugin}:" not in PLUGINS} == set()


def test_the_images_are_built_from_digests() -> None:
    for name in ("controller", "agent"):
        first = next(line for line in jenkins.rendered(f"etc/jenkins/{name}/Dockerfile").splitlines() if line.startswith("FROM"))
        assert re.fullmatch(r"FROM \S+@sha256:[0-9a-f]{64}", first)
