"""CloudWatch's judgement of an alarm. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html: M breaching datapoints out of the last
N make an alarm; what a missing datapoint counts for is the alarm's own choice.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def state(values: Sequence[float | None], alarm: Mapping[str, Any], current: str = "INSUFFICIENT_DATA") -> str:
    """OK, ALARM or INSUFFICIENT_DATA from the newest EvaluationPeriods values, the newest last; None is a missing one."""
    periods = int(alarm.get("EvaluationPeriods", 1))
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    window = ([None] * periods + list(values))[-periods:]
    breaches = COMPARE[alarm["ComparisonOperator"]]
    treat = alarm.get("TreatMissingData") or "missing"
    if all(value is None for value in window):
        return {"breaching": "ALARM", "notBreaching": "OK", "ignore": current}.get(treat, "INSUFFICIENT_DATA")
    known = [value for value in window if value is not None]
    breaching = sum(breaches(value, float(alarm["Threshold"])) for value in known)
    missing = periods - len(known)
    if breaching >= needed or (treat == "breaching" and breaching + missing >= needed):
        return "ALARM"
    undecided = treat in ("missing", "ignore") and breaching + missing >= needed
    return current if undecided and current == "ALARM" and treat == "ignore" else "OK"
