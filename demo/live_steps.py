"""The second half of the story: what a night brings. A machine dies, everyone files at once, a release rolls out."""

from __future__ import annotations

import time
from typing import Any

from demo import build_steps
from demo.estate import Machine, wait_for
from demo.load import Sample, Stream, quantile, summary
from demo.playbook import StepFailed, load_json
from demo.world import BUILD, RUSHING_CLIENT, World

Told = tuple[dict[str, Any], str]

CALM_RATE = 16.0
"""Requests per second of the other clients' calm day: well under half of two machines' capacity."""

RUSH_RATE = 64.0
"""Requests per second when one client's whole staff files its expenses at once."""

ROLLOUT_RATE = 90.0
"""Requests per second while a release rolls out: a busy day, for which the group grows to ROLLOUT_MACHINES at least."""

ROLLOUT_MACHINES = 4

CALM, RUSH = "calm", "rush"


def calm(world: World, rate: float = CALM_RATE) -> None:
    """The other clients' calm day: everyone but the client that will rush."""
    users = [user for user in world.users if user.client != RUSHING_CLIENT]
    world.running_load().put(Stream(CALM, users, rate))


def kill(world: World) -> Told:
    """Pulls the plug of a machine that serves users, and waits until another does its work."""
    calm(world)
    before = world.estate.serving(world.environment)
    victim = before[0]
    begun = time.time()
    world.mark(f"machine {victim.id} is killed")
    world.estate.kill(victim.id)

    def replaced() -> bool:
        now = world.estate.serving(world.environment)
        return len(now) >= len(before) and victim.id not in {machine.id for machine in now}

    wait_for("the killed machine replaced", 120, replaced)
    seconds = time.time() - begun
    seen = world.running_load().between(begun, time.time())
    facts = {
        "killed": victim.id,
        "serving_before": len(before),
        "serving_after": [machine.id for machine in world.estate.serving(world.environment)],
        "replaced_in_seconds": round(seconds, 1),
        "answered": sum(sample.ok for sample in seen),
        **{f"users_{name}": value for name, value in summary(seen).items()},
    }
    return facts, f"{victim.id[:10]}… died and was replaced in {seconds:.0f} s; {facts['users_failed']} of {len(seen)} requests felt it"


def spike(world: World) -> Told:
    """One client's whole staff files at once; the group grows by its policy; the other clients must not feel it."""
    load = world.running_load()
    # Machines that have just booted are busy, and their policy may have asked for more: what grew before would hide what the rush does.
    wait_for("the group at its smallest, as on a calm day", 240, lambda: _is_at_rest(world))
    before = world.estate.serving(world.environment)
    calm_before = [sample for sample in load.between(time.time() - 10, time.time()) if sample.client != RUSHING_CLIENT]
    begun = time.time()
    world.mark("one client's whole staff files at once")
    rushing = [user for user in world.users if user.client == RUSHING_CLIENT]
    load.put(Stream(RUSH, rushing, RUSH_RATE, {"file": 0.6, "list": 0.2, "page": 0.2}))
    wait_for("the group growing", 180, lambda: len(world.estate.serving(world.environment)) > len(before))
    first = time.time() - begun
    _wait_until_steady(world)
    grown = world.estate.serving(world.environment)
    load.drop(RUSH)
    others = [sample for sample in load.between(begun, time.time()) if sample.client != RUSHING_CLIENT]
    rush = [sample for sample in load.between(begun, time.time()) if sample.client == RUSHING_CLIENT]
    cause = next((row["Cause"] for row in world.estate.activities(world.environment, begun) if "TargetTracking" in row["Cause"]), "")
    facts = {
        "machines_before": len(before),
        "machines_after": len(grown),
        "first_new_machine_seconds": round(first, 1),
        "cause": cause,
        "others_requests": len(others),
        "others_failed": sum(not sample.ok for sample in others),
        "others_reasons": summary(others)["reasons"],
        "others_p90_before_ms": _p90(calm_before),
        "others_p90_during_ms": _p90(others),
        "rush_requests": len(rush),
        "rush_answered": sum(sample.ok for sample in rush),
        "rush_asked_to_wait": sum(sample.deferred for sample in rush),
        "rush_failed": sum(not sample.ok and not sample.deferred for sample in rush),
    }
    failed = f"{facts['others_failed']} of the others' {len(others)} requests failed"
    return facts, f"{len(before)} → {len(grown)} machines, the first after {first:.0f} s; {failed}"


def _is_at_rest(world: World) -> bool:
    group = world.estate.group(world.environment)
    return int(group["DesiredCapacity"]) == int(group["MinSize"]) == len(world.estate.serving(world.environment))


def _p90(samples: list[Sample]) -> float:
    return round(quantile((sample.seconds * 1000 for sample in samples if sample.ok), 0.9), 1)


def _wait_until_steady(world: World, steady_seconds: float = 6, at_most: float = 60) -> None:
    """Waits until the number of serving machines has not moved for a while: the policy has had its say."""
    end, since, known = time.time() + at_most, time.time(), -1
    while time.time() < end and time.time() - since < steady_seconds:
        group = world.estate.group(world.environment)
        now = len(world.estate.serving(world.environment))
        if now != known or group["DesiredCapacity"] != now:
            known, since = now, time.time()
        time.sleep(0.5)


def rollout(world: World) -> Told:
    """A new version of the package goes the whole way: built, published, baked, deployed to dev, promoted, then rolled out in prod under load."""
    load = world.running_load()
    old = load_json(BUILD / "releases" / "snapshot.json")["packages"]["twine"]["version"].split("-")[0]
    new = next_version(old)
    begun = time.time()
    build_steps.packages(world, {"twine": new})
    build_steps.repository(world)
    build_steps.images(world)
    calm(world, ROLLOUT_RATE)
    world.playbooks.run("deploy", only=["dev"])
    world.playbooks.run("promote")
    ready = time.time()
    wait_for("the group grown to a busy day's load", 120, lambda: len(world.estate.serving(world.environment)) >= ROLLOUT_MACHINES)
    _wait_until_steady(world)
    wait_for("head-room in the group, without which no rollout begins", 240, lambda: _has_room(world))
    since = time.time()
    before = world.estate.serving(world.environment)
    world.mark(f"release {new} begins to roll out over {len(before)} machines")
    world.playbooks.run("roll_out", environment_name=world.environment)
    world.mark(f"release {new} serves everyone")
    start, end = _instance_events(world, since)
    seen = load.between(start, end)
    facts = _rollout_facts(world, seen, before) | {
        "old": old,
        "new": new,
        "built_and_baked_seconds": round(ready - begun, 1),
        "rolled_out_seconds": round(end - start, 1),
    }
    return (
        facts,
        f"{old} → {new} over {len(before)} machines in {end - start:.0f} s: {facts['failed_requests']} of {facts['requests']} requests failed",
    )


def _has_room(world: World) -> bool:
    group = world.estate.group(world.environment)
    return int(group["DesiredCapacity"]) < int(group["MaxSize"])


def next_version(version: str) -> str:
    """The next patch version: 1.0.9 → 1.0.10."""
    major, minor, patch = version.split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


def _instance_events(world: World, since: float) -> tuple[float, float]:
    """Beginning of the first and end of the last event of the group's instances since then."""
    rows = world.estate.activities(world.environment, since)
    if not rows:
        raise StepFailed("Failed to see the rollout: the group reports no activity. Read the deploy's log in build/demo/logs.")
    return min(row["StartTime"].timestamp() for row in rows), max(row.get("EndTime", row["StartTime"]).timestamp() for row in rows)


def _rollout_facts(world: World, seen: list[Sample], before: list[Machine]) -> dict[str, Any]:
    load = world.running_load()
    deadline = time.time() + 10
    while time.time() < deadline and max((sample.at for sample in load.samples), default=0) < time.time() - 1:
        time.sleep(0.2)
    kinds = [sample.kind for sample in seen]
    count = max(1, len(seen))
    # In this order: users go on, and what is acknowledged after the look at the database is not in it.
    acknowledged = set(load.acknowledged)
    rows = world.estate.sql(world.environment, f"SELECT reference, count(*) FROM claims WHERE reference LIKE '{world.run}-%' GROUP BY reference")
    stored = {reference: int(times) for reference, times in rows}
    left = {machine.id for machine in before} & {machine.id for machine in world.estate.serving(world.environment)}
    figures = summary(seen)
    return {
        "requests": len(seen),
        "failed_requests": sum(not sample.ok for sample in seen),
        "reasons": figures["reasons"],
        "asked_to_wait": figures["deferred"],
        "p50_ms": figures["p50_ms"],
        "p99_ms": figures["p99_ms"],
        "filed_share": round(kinds.count("file") / count, 3),
        "searched_share": round(kinds.count("search") / count, 3),
        "versions_seen": sorted({sample.version for sample in seen if sample.version}),
        "machines_left_of_old": len(left),
        "acknowledged": len(acknowledged),
        "stored_once": sum(stored.get(reference) == 1 for reference in acknowledged),
        "stored_twice": sum(times > 1 for times in stored.values()),
    }


def scale_in(world: World) -> Told:
    """Evening: the load falls, and the group shrinks by itself, draining each machine before it goes."""
    calm(world, CALM_RATE / 2)
    begun = time.time()
    group = world.estate.group(world.environment)
    before = len(group["Instances"])
    if before <= group["MinSize"]:
        # Scaling never pauses, so the group may have begun to shrink while the release rolled out.
        before = max((sum(counts.values()) for _at, counts in (world.watch.counts if world.watch else [])), default=before)
    world.mark("the load falls")
    wait_for("the group shrinking to its minimum", 300, lambda: len(world.estate.serving(world.environment)) <= group["MinSize"])
    seen = world.running_load().between(begun, time.time())
    facts = {
        "machines_before": before,
        "machines_after": len(world.estate.serving(world.environment)),
        "minimum": group["MinSize"],
        "requests": len(seen),
        "failed": sum(not sample.ok for sample in seen),
        "seconds": round(time.time() - begun, 1),
    }
    return facts, f"{before} → {facts['machines_after']} machines; {facts['failed']} of {len(seen)} requests failed"
