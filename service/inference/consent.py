"""What all workers make of a version: one takes another's place when each of them has it, or is spoilt for all.

Knows reports and entries; does not know how a version is loaded, nor which one is wanted.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from service.inference.board import Finding, Report, label
from service.inference.catalog import Entry, Key, State


class Consent(NamedTuple):
    """What the other workers report, beside what this one has tried (which files of which version), and its orders."""

    others: Sequence[Report]
    tried: Mapping[Key, str]
    order: int

    def show(self, entry: Entry) -> Entry:
        """A version that this worker has, where another one serves: LOADING until all have it, or FAILED."""
        if failure := self.failure(entry.key):
            is_same = failure.attempt == self.tried[entry.key]
            return Entry(*entry.key, State.FAILED if is_same else State.LOADING, failure.reason)
        is_awaited = any(self._finding(report, entry.key) is None for report in self.others)
        return Entry(*entry.key, State.LOADING) if is_awaited else entry

    def show_first(self, entry: Entry, spare: Collection[Key]) -> Entry:
        """The same where none serves yet: nobody is waited for, but what failed is not taken where there is a spare."""
        failure = self.failure(entry.key)
        if not failure or failure.attempt != self.tried[entry.key] or all(map(self.failure, spare)):
            return entry
        return Entry(*entry.key, State.FAILED, failure.reason)

    def failure(self, key: Key) -> Finding | None:
        """What another worker has against a version that this one has tried."""
        findings = (self._finding(report, key) for report in self.others)
        return next((finding for finding in findings if finding and finding.reason), None)

    def _finding(self, report: Report, key: Key) -> Finding | None:
        """What another worker made of a version; None where it has yet to try what this one has tried."""
        finding = report.versions.get(label(key))
        if finding is None or finding.reason is None or finding.attempt == self.tried[key]:
            return finding
        return None if report.order < self.order else finding
