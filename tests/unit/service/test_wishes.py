import pytest

from service.inference.catalog import Entry, State
from service.inference.wishes import Wishes

PUBLISHED = {"cnn": [1, 2, 3, 4]}


def wishes(**changes: object) -> Wishes:
    return Wishes(
        **{"published": PUBLISHED, "pins": {}, "unloaded": frozenset(), "candidates": {}, "asked": (), "keep": 2}
        | changes
    )


def wanted(of: Wishes, ready: set[int]) -> list[int]:
    return [version for _, version in of.wanted(lambda key: key[1] in ready)]


@pytest.mark.parametrize(
    ("changes", "ready", "versions"),
    [
        ({}, {3, 4}, [4, 3]),
        ({}, {2, 3}, [4, 3]),
        ({}, {1}, [4, 3, 2, 1]),
        ({}, {2}, [4, 3, 2]),
        ({"pins": {"cnn": 1}}, {3, 4}, [4, 3, 1]),
        ({"pins": {"cnn": 7}}, {3, 4}, [7, 4]),
        ({"candidates": {"cnn": frozenset({4})}, "keep": 1}, {3, 4}, [4, 3]),
        ({"unloaded": frozenset({"cnn"})}, {3, 4}, []),
    ],
)
def test_the_newest_are_wanted_and_the_named_and_older_ones_while_none_is_ready(
    changes: dict, ready: set[int], versions: list[int]
) -> None:
    assert wanted(wishes(**changes), ready) == versions


@pytest.mark.parametrize(
    ("changes", "ready", "failed", "current", "default"),
    [
        ({}, {3, 4}, set(), 3, 4),
        ({}, {3}, {4}, 3, 3),
        ({}, set(), {3, 4}, None, 4),
        ({}, {3, 9}, set(), 9, 3),  # 9 has been taken away
        ({"published": {"cnn": [3]}}, {4}, {3}, 4, 4),  # and here what is left cannot serve
        ({"pins": {"cnn": 3}}, {3, 4}, set(), 4, 3),
        ({"pins": {"cnn": 3}}, {4}, {3}, 4, 4),
        ({"pins": {"cnn": 3}}, {4}, {3}, None, 3),
        ({"candidates": {"cnn": frozenset({4})}}, {3, 4}, set(), 3, 3),
        ({"candidates": {"cnn": frozenset({4})}}, {4}, set(), None, 4),
    ],
)
def test_the_default_is_the_pinned_or_the_newest_that_is_ready(
    changes: dict, ready: set[int], failed: set[int], current: int | None, default: int
) -> None:
    states = dict.fromkeys(failed, State.FAILED) | dict.fromkeys(ready, State.READY)
    shown = {("cnn", version): Entry("cnn", version, state) for version, state in states.items()}
    assert wishes(**changes).defaults(shown, {"cnn": current} if current else {}) == {"cnn": default}
