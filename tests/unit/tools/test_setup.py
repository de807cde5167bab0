from __future__ import annotations

import threading

from tools import setup, work


def part(name: str, *needs: str, make: object = None) -> setup.Part:
    def fine(_part: setup.Part) -> str:
        return f"{name} made"

    return setup.Part(name, needs, 1, make if callable(make) else fine)


def test_a_part_waits_for_what_it_needs() -> None:
    order: list[str] = []

    def noting(each: setup.Part) -> str:
        order.append(each.name)
        return ""

    plan = [part("last", "first", "second", make=noting), part("second", "first", make=noting), part("first", make=noting)]

    assert setup.run(plan, lambda _line: None)
    assert order == ["first", "second", "last"]


def test_independent_parts_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def meeting(_part: setup.Part) -> str:
        both.wait()
        return ""

    assert setup.run([part("one", make=meeting), part("other", make=meeting)], lambda _line: None)


def test_after_a_failure_nothing_further_starts_and_the_sentence_is_said() -> None:
    said: list[str] = []

    def failing(_part: setup.Part) -> str:
        raise work.Failed("Failed to fly: no wings. Grow some.")

    plan = [part("wings", make=failing), part("flight", "wings")]

    assert not setup.run(plan, said.append)
    assert any("Failed to fly: no wings. Grow some." in line for line in said)
    assert plan[1].detail == ""


def test_the_plan_starts_with_the_longest_and_each_need_is_a_part() -> None:
    plan = setup.parts()
    names = {each.name for each in plan}
    free = [each for each in plan if each.needs == ("preflight",)]

    assert all(names.issuperset(each.needs) for each in plan)
    assert free == sorted(free, key=lambda each: -each.seconds)
