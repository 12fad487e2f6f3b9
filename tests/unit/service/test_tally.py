import asyncio

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram

from service.telemetry import tally
from service.telemetry.tally import Tally, observe_all

BUCKETS = (0.1, 0.5, 1.0, 2.5)


def histogram() -> tuple[Histogram, CollectorRegistry]:
    registry = CollectorRegistry()
    return Histogram("seconds", "Some.", buckets=BUCKETS, registry=registry), registry


def samples(registry: CollectorRegistry) -> dict[tuple[str, str | None], float]:
    return {
        (sample.name, sample.labels.get("le")): round(sample.value, 9)
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.sampled_from([0.0, 0.05, *BUCKETS, 0.7, 9.0]), min_size=1, max_size=30))
def test_many_values_at_once_count_as_one_by_one(values: list[float]) -> None:
    (at_once, one), (one_by_one, other) = histogram(), histogram()
    observe_all(at_once, values)
    for value in values:
        one_by_one.observe(value)
    assert samples(one) == samples(other)


def test_what_is_gathered_is_written_a_little_later() -> None:
    registry = CollectorRegistry()
    counter = Counter("events", "Some.", registry=registry)
    seconds = Histogram("seconds", "Some.", buckets=BUCKETS, registry=registry)

    async def scenario() -> None:
        gathering = Tally()
        for _ in range(3):
            gathering.count(counter, 2)
            gathering.observe(seconds, 0.3)
        assert registry.get_sample_value("events_total") == 0
        await asyncio.sleep(tally.SETTLED_S)
        assert registry.get_sample_value("events_total") == 6
        assert registry.get_sample_value("seconds_count") == 3
        gathering.count(counter)
        await asyncio.sleep(tally.SETTLED_S)
        assert registry.get_sample_value("events_total") == 7, "the second time too"

    asyncio.run(scenario())


def test_what_is_gathered_at_the_end_is_written_by_hand() -> None:
    registry = CollectorRegistry()
    counter = Counter("events", "Some.", registry=registry)

    async def scenario() -> None:
        gathering = Tally()
        gathering.count(counter)
        gathering.flush()
        assert registry.get_sample_value("events_total") == 1

    asyncio.run(scenario())
    assert registry.get_sample_value("events_total") == 1
