"""CloudWatch fed with what really happens, once every metric minute, and its alarms judged by it.

A metric minute lasts 60 seconds divided by the clock factor. Datapoints carry the real time: a reader who asks for periods
of 60 seconds gets the sum of several metric minutes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ministack.services import cloudwatch

from local_cloud.plugin import alarms, emulator, engine, settings

log = logging.getLogger("local_cloud.metrics")
MINUTE = 60 / settings.CLOCK_FACTOR
_collectors: list[tuple[int, Callable[[float], None]]] = []
MEASURE, JUDGE, ACT = range(3)
_usage: dict[str, tuple[float, float]] = {}  # container → (when, seconds of processor used)


def every_minute(stage: int, work: Callable[[float], None]) -> None:
    """Call `work(seconds since the last time)` in each account's scope once a metric minute: first all that measures."""
    _collectors.append((stage, work))
    _collectors.sort(key=lambda pair: pair[0])


def put(namespace: str, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
    cloudwatch.record_metric(namespace, name, value, unit, dict(dimensions))


def put_samples(namespace: str, name: str, mean: float, samples: int, unit: str, dimensions: Mapping[str, str]) -> None:
    """What many samples had for a mean; the single ones are not known."""
    statistics = {"SampleCount": samples, "Sum": mean * samples, "Minimum": mean, "Maximum": mean}
    cloudwatch._store_datum(namespace, name, dict(dimensions), time.time(), unit, None, None, None, statistics)


def values(namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, periods: int, length: float) -> list[float | None]:
    """The last `periods` values of a metric, oldest first, one for each `length` seconds; None where nothing was published."""
    points = cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dict(dimensions)))) or []
    now = time.time() + MINUTE / 2  # points are published a moment after each minute's end: they lie in the middle of a window
    found: list[float | None] = []
    for back in range(periods, 0, -1):
        low = now - back * length
        inside = [point for point in points if low < point["Timestamp"] <= low + length]
        found.append(cloudwatch._stat_value(cloudwatch._calc_stats(inside), statistic, inside) if inside else None)
    return found


# --- alarms -------------------------------------------------------------------------------------------------------


def judge(alarm: dict[str, Any]) -> None:
    """Evaluate one alarm over its own dimensions and the clock's periods, instead of the emulator's rough way."""
    if not alarm.get("MetricName") or alarm.get("ComparisonOperator") not in alarms.COMPARE:
        return
    dimensions = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    length = float(alarm.get("Period", 60)) / settings.CLOCK_FACTOR
    seen = values(alarm["Namespace"], alarm["MetricName"], dimensions, statistic, int(alarm.get("EvaluationPeriods", 1)), length)
    before = alarm["StateValue"]
    after = alarms.state(seen, alarm, before)
    if after == before:
        return
    known = ", ".join("-" if value is None else f"{value:g}" for value in seen)
    reason = f"Threshold Crossed: [{known}] {alarm['ComparisonOperator']} {alarm['Threshold']:g}" if after != "INSUFFICIENT_DATA" else "No datapoints"
    alarm.update(StateValue=after, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, after, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def in_alarm(name: str) -> bool:
    alarm = cloudwatch._alarms.get(name) or cloudwatch._composite_alarms.get(name)
    return bool(alarm and alarm["StateValue"] == "ALARM")


# --- processors ---------------------------------------------------------------------------------------------------


def _seconds_used(pid: int) -> float | None:
    """Processor time of a container, from its cgroup as its own first process sees it (Docker's statistics show zeros)."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _hierarchy, controllers, path = line.split(":", 2)
        folder = Path(f"/proc/{pid}/root/sys/fs/cgroup")
        inside = path.removesuffix("/init.scope").lstrip("/")
        if "cpuacct" in controllers.split(","):
            return int((folder / "cpuacct" / inside / "cpuacct.usage").read_text()) / 1e9
        if not controllers and (folder / inside / "cpu.stat").exists():
            first = (folder / inside / "cpu.stat").read_text().split()
            return int(first[1]) / 1e6
    return None


def processor_percent(container: str, quota: float) -> float | None:
    """How much of its quota (in processors) a container has used since the last question, in percent; None the first time."""
    found = engine.inspect(container)
    try:
        used = _seconds_used(found.pid) if found and found.pid else None
    except OSError:
        used = None
    if used is None:
        _usage.pop(container, None)
        return None
    now = time.monotonic()
    before = _usage.get(container)
    _usage[container] = (now, used)
    if before is None or used < before[1] or now <= before[0]:
        return None
    return min(100.0, 100 * (used - before[1]) / (now - before[0]) / quota)


# --- the clock ----------------------------------------------------------------------------------------------------


def _tick() -> None:
    last = time.monotonic()
    waiting = threading.Event()
    while True:
        waiting.wait(max(0.0, last + MINUTE - time.monotonic()))
        now = time.monotonic()
        for account_id in settings.ACCOUNTS.values():
            with emulator.scope(account_id):
                for _name, work in _collectors:
                    try:
                        work(now - last)
                    except Exception:
                        log.exception("Failed in the metric minute of %s", account_id)
        last = now


def install() -> None:
    cloudwatch._evaluate_alarm = judge
    every_minute(JUDGE, lambda seconds: cloudwatch._evaluate_all_alarms())


def start() -> None:
    threading.Thread(target=_tick, name="metrics", daemon=True).start()
