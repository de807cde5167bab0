"""A stand-in for Jenkins that really runs pipeline files: the language by groovy-cps and JenkinsPipelineUnit in Java, the steps here.

Every `node` is a new, empty agent, every `checkout` brings it the tree; nothing passes from one to another but by the pipeline's own
stashes and artifacts. `sh` starts a real shell, in the agent's folder, with the environment that Jenkins would give it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import checkout, source

HERE = Path(__file__).parent
# `make setup` of an agent: the tools that this checkout has already, and only from then on.
MAKE = f"""#!/bin/sh
[ "$*" = setup ] || exit 1
[ -e .venv ] || ln -s {checkout.ROOT}/.venv .venv
mkdir -p build/tools && ln -sfn {checkout.BINARIES} build/tools/bin
"""


class StepFailed(Exception):
    """A step that fails its build, as a command does that exits with another code than 0."""


@dataclass(frozen=True)
class Step:
    """A step that was run: its name and arguments, and the blocks in which it stood, the outermost first."""

    name: str
    arguments: Any
    inside: tuple[str, ...]


@dataclass
class Build:
    """A run of a pipeline: why it failed (nothing if it did not), what it did, what its commands printed."""

    job: str
    failure: str = ""
    steps: list[Step] = field(default_factory=list)
    log: str = ""

    def of(self, name: str) -> list[Step]:
        return [step for step in self.steps if step.name == name]

    def inside(self, playbook: str) -> tuple[str, ...]:
        """The blocks in which a playbook was run first, without those that set variables."""
        step = next(step for step in self.of("sh") if _environment(step.inside).get("PLAYBOOK") == playbook)
        return tuple(block for block in step.inside if not block.startswith("withEnv "))

    def plays(self) -> list[str]:
        """The playbooks that were run, in order."""
        return [words["PLAYBOOK"] for step in self.of("sh") if (words := _environment(step.inside)) and "PLAYBOOK" in words]


def _environment(inside: tuple[str, ...]) -> dict[str, str]:
    """What the `withEnv` blocks around a step set."""
    return dict(pair.split("=", 1) for block in inside if block.startswith("withEnv ") for pair in json.loads(block.removeprefix("withEnv ")))


def _pattern(globs: str) -> re.Pattern[str]:
    """Ant's patterns, separated by commas, over paths with slashes."""
    parts = [re.escape(glob.strip()).replace(r"\*\*/", "(.*/)?").replace(r"\*\*", ".*").replace(r"\*", "[^/]*") for glob in globs.split(",")]
    return re.compile("|".join(parts))


def place(origin: str | Path, target: str | Path) -> None:
    """Have a file at another path, too. Debs are large, and nobody writes into one: where it can be, a link is enough."""
    Path(target).unlink(missing_ok=True)
    if Path(origin).suffix == ".deb" and Path(origin).stat().st_dev == Path(target).parent.stat().st_dev:
        os.link(origin, target)
    else:
        shutil.copy2(origin, target)


def _bring(origin: Path, target: Path, included: str, excluded: str = "") -> list[str]:
    """Copy the files of a folder that match, and return their names."""
    wanted, unwanted = _pattern(included), _pattern(excluded) if excluded else None
    names = []
    for folder, _folders, files in os.walk(origin / "build"):
        for file in files:
            name = (Path(folder) / file).relative_to(origin).as_posix()
            if wanted.fullmatch(name) and not (unwanted and unwanted.fullmatch(name)):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                place(origin / name, target / name)
                names.append(name)
    return names


class Language:
    """The process that runs files in Groovy; one for all builds."""

    def __init__(self, java: list[str]) -> None:
        self.process = subprocess.Popen([*java, str(HERE / "Pipelines.groovy")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Say something, and return its next word."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Java has ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=20)


class Jenkins:
    """Jobs by name, and what they archived."""

    def __init__(self, language: Language, folder: Path, variables: Mapping[str, str], equip: Callable[[Path], None]) -> None:
        """`variables` are those of the controller's configuration; `equip` puts into an agent's tree what belongs to the estate."""
        self.language, self.folder, self.variables, self.equip = language, folder, variables, equip
        self.agents = 0
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "make").write_text(MAKE)
        (folder / "bin" / "make").chmod(0o755)

    def jobs(self, **binding: str) -> list[dict[str, Any]]:
        """The jobs that jobs.groovy makes, as nested calls (name, arguments, inside)."""
        said = self.language.ask({"jobs": str(checkout.ROOT / "jenkins" / "jobs.groovy"), "binding": binding})
        assert "calls" in said, said
        calls: list[dict[str, Any]] = said["calls"]
        return calls

    def artifacts(self, job: str) -> Path:
        return self.folder / "artifacts" / job

    def run(self, job: str, answer: str | None = None, file: Path | None = None, **parameters: str | bool) -> Build:
        """Build a job (or a file that is none) with parameters; `answer` is what the person says who is asked."""
        given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in parameters.items()}
        environment = {**self.variables, "JOB_NAME": job, "BUILD_NUMBER": "1", "BUILD_URL": f"https://jenkins.example/job/{job}/1/"}
        run = _Run(self, Build(job), {**environment, **given}, answer)
        path = file or checkout.ROOT / "jenkins" / f"{job}.groovy"
        said = self.language.ask({"file": str(path), "params": parameters, "env": environment})
        while "ended" not in said:
            try:
                said = self.language.ask({"value": run.step(said["step"], said["arguments"])})
            except StepFailed as error:
                said = self.language.ask({"error": str(error)})
        run.build.failure = said["ended"]
        return run.build


class _Run:
    """One build: its agents, its stashes, and what each step does."""

    def __init__(self, jenkins: Jenkins, build: Build, environment: Mapping[str, str], answer: str | None) -> None:
        self.jenkins, self.build, self.environment, self.answer = jenkins, build, environment, answer
        self.inside: list[str] = []
        self.agents: list[Path] = []

    def step(self, name: str, arguments: Any) -> Any:
        act, _space, block = name.partition(" ")
        if block:
            return self._enter(block, arguments) if act == "enter" else self._leave(block)
        self.build.steps.append(Step(name, arguments, tuple(self.inside)))
        return getattr(self, f"_{name}")(arguments)

    def _enter(self, block: str, argument: Any) -> None:
        self.inside.append(f"{block} {argument if isinstance(argument, str) else json.dumps(argument)}")
        if block == "node":
            self.jenkins.agents += 1
            agent = self.jenkins.folder / "agents" / str(self.jenkins.agents) / "ansible_collections" / "twine" / "platform"
            agent.mkdir(parents=True)
            self.agents.append(agent)

    def _leave(self, block: str) -> None:
        self.inside.pop()
        if block == "node":
            shutil.rmtree(self.agents.pop().parents[2])

    def _checkout(self, _scm: Any) -> None:
        source.copy(self.agents[-1].parents[2])
        self.jenkins.equip(self.agents[-1])

    def _load(self, path: str) -> str:
        return str(self.agents[-1] / path)

    def _sh(self, arguments: Any) -> str:
        given = {"script": arguments} if isinstance(arguments, str) else arguments
        path = f"{self.jenkins.folder / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        base = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        done = subprocess.run(
            ["sh", "-xe", "-c", given["script"]],
            cwd=self.agents[-1],
            env={**base, "PATH": path, **self.environment, **_environment(tuple(self.inside))},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self.build.log += done.stderr + done.stdout
        if done.returncode:
            raise StepFailed(f"script returned exit code {done.returncode}")
        return done.stdout if given.get("returnStdout") else ""

    def _pwd(self, _nothing: None) -> str:
        return str(self.agents[-1])

    def _error(self, message: str) -> None:
        raise StepFailed(message)

    def _writeFile(self, given: Mapping[str, str]) -> None:
        path = self.agents[-1] / given["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(given["text"])

    def _copyArtifacts(self, given: Mapping[str, Any]) -> None:
        found = _bring(self.jenkins.artifacts(given["projectName"]), self.agents[-1], given["filter"])
        if not found and not given.get("optional"):
            raise StepFailed(f"Unable to find project for artifact copy: {given['projectName']}")

    def _archiveArtifacts(self, given: Mapping[str, Any]) -> None:
        found = _bring(self.agents[-1], self.jenkins.artifacts(self.build.job), given["artifacts"], given.get("excludes", ""))
        if not found and not given.get("allowEmptyArchive"):
            raise StepFailed(f"No artifacts found that match the file pattern {given['artifacts']}. Configuration error?")

    def _stash(self, given: Mapping[str, Any]) -> None:
        found = _bring(self.agents[-1], self.jenkins.folder / "stashes" / given["name"], given["includes"])
        if not found and not given.get("allowEmpty"):
            raise StepFailed(f"No files included in stash {given['name']}")

    def _unstash(self, name: str) -> None:
        _bring(self.jenkins.folder / "stashes" / name, self.agents[-1], "**")

    def _mail(self, _given: Any) -> None:
        return None

    def _build(self, given: Mapping[str, Any]) -> None:
        parameters = {parameter["name"]: parameter["value"] for parameter in given["parameters"]}
        self.build.steps.append(Step("parameters", parameters, ()))

    def _input(self, _given: Any) -> str:
        if self.answer is None:
            raise StepFailed("Rejected by somebody")
        return self.answer
