"""An alarm's state from its newest datapoints."""

from __future__ import annotations

import pytest

from local_cloud.plugin import alarms

THREE = {"EvaluationPeriods": 3, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 10}
TWO_OF_THREE = {**THREE, "DatapointsToAlarm": 2}


@pytest.mark.parametrize(
    ("alarm", "values", "expected"),
    [
        pytest.param(THREE, [11, 12, 13], "ALARM", id="all three"),
        pytest.param(THREE, [11, 10, 13], "OK", id="at the threshold is not above it"),
        pytest.param(THREE, [99, 99, 99, 1, 1, 1], "OK", id="only the newest count"),
        pytest.param(THREE, [11, 12], "OK", id="two are not three"),
        pytest.param(THREE, [], "INSUFFICIENT_DATA", id="no data"),
        pytest.param(THREE, [None, None, None], "INSUFFICIENT_DATA", id="nothing but gaps"),
        pytest.param(TWO_OF_THREE, [11, 1, 13], "ALARM", id="two of three"),
        pytest.param({**THREE, "TreatMissingData": "breaching"}, [11, None, 13], "ALARM", id="a gap that breaches"),
        pytest.param({**THREE, "TreatMissingData": "breaching"}, [None, None, None], "ALARM", id="nothing but breaching gaps"),
        pytest.param({**THREE, "TreatMissingData": "notBreaching"}, [None, None, None], "OK", id="nothing but harmless gaps"),
        pytest.param({**THREE, "ComparisonOperator": "LessThanThreshold"}, [9, 9, 9], "ALARM", id="below"),
    ],
)
def test_state(alarm: dict[str, object], values: list[float | None], expected: str) -> None:
    assert alarms.state(values, alarm) == expected


def test_ignored_gaps_keep_the_state() -> None:
    assert alarms.state([None, None, None], {**THREE, "TreatMissingData": "ignore"}, "ALARM") == "ALARM"
