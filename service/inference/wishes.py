"""Which versions a worker shall have, and which of them answers by default: rules, without files, clocks or workers."""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from service.inference.catalog import Entry, Key, State


class Wishes(NamedTuple):
    """What is published, by model; what operators want of it; how many of the newest versions are to be had.

    `candidates` are on trial: they answer by default only where nothing else can. `asked` are to be had whatever their
    age.
    """

    published: Mapping[str, Collection[int]]
    pins: Mapping[str, int]
    unloaded: frozenset[str]
    candidates: Mapping[str, frozenset[int]]
    asked: Collection[Key]
    keep: int

    def wanted(self, is_ready: Callable[[Key], bool]) -> Iterator[Key]:
        """The versions to have, by model, the newest first. Looks as far as it is asked."""
        names = sorted({*self.published, *self.pins} - self.unloaded)
        return chain.from_iterable(self._wanted(name, is_ready) for name in names)

    def _wanted(self, name: str, is_ready: Callable[[Key], bool]) -> Iterator[Key]:
        """The newest, those that somebody named, and older ones as long as none is ready."""
        on_trial = self.candidates.get(name, frozenset())
        named = on_trial | {version for each, version in self.asked if each == name}
        named |= {self.pins[name]} if name in self.pins else set()
        has_one = False
        for place, version in enumerate(sorted({*self.published.get(name, ()), *named}, reverse=True)):
            if place < self.keep or version in named or not has_one:
                yield name, version
                has_one |= version not in on_trial and is_ready((name, version))

    def defaults(self, shown: Mapping[Key, Entry], current: Mapping[str, int]) -> dict[str, int]:
        """The version of each model that answers who names none."""
        names = {name for name, _ in shown} - self.unloaded
        return {name: self._default(name, shown, current.get(name)) for name in names}

    def _default(self, name: str, shown: Mapping[Key, Entry], current: int | None) -> int:
        """The pinned version, or else the newest that is ready. What serves is given up only for what serves."""
        known = [version for each, version in shown if each == name]
        ready = [version for version in known if is_serving(shown[name, version])]
        if pin := self.pins.get(name):
            return current if current in ready and pin not in ready else pin
        published = [version for version in ready if version in self.published.get(name, ())]
        proven = [version for version in published if version not in self.candidates.get(name, ())]
        return max(proven or published or ready or known)


def is_serving(entry: Entry | None) -> bool:
    """Whether this is a version that answers."""
    return entry is not None and entry.state is State.READY
