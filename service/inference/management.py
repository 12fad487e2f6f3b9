"""What operators order while the service runs: load, unload, pin, unpin, roll back; the board brings it to all workers.

Knows orders and when they are carried out; `steward` carries them out. They end with the service, unless
AXON_MODELS__ORDERS names a file for them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from models.repository import Repository
from service.errors import NotReady, UnknownModel, UnusableInput
from service.inference.board import Board, Orders
from service.inference.catalog import Catalog, State
from service.inference.steward import SOON_S, Steward, label
from service.inference.wishes import is_serving

PATIENCE_S = 60.0  # that an order may take


class Management:
    """Gives orders, and returns when every worker has carried them out.

    Every method raises UnknownModel for what is not published, UnusableInput for a version that cannot serve, and
    NotReady when workers do not answer within a minute.
    """

    def __init__(self, catalog: Catalog, repository: Repository, board: Board, steward: Steward) -> None:
        self._catalog = catalog
        self._repository = repository
        self._board = board
        self._steward = steward

    @property
    def stopped(self) -> Mapping[str, str]:
        """By version ("cnn/3"): why it is a candidate no more."""
        return self._steward.stopped

    async def stop(self, name: str, version: int, reason: str) -> None:
        """Ends a version's trial in every worker, until the model is loaded again."""
        told = {label((name, version)): reason}
        await self._order(lambda orders, _: orders.model_copy(update={"stopped": orders.stopped | told}))

    async def load(self, name: str) -> None:
        """Looks for versions of a model now, tries again what failed or was stopped, and loads what was unloaded."""
        self._versions(name)
        await self._order(
            lambda orders, number: _on_trial_again(_told(orders, orders.unloaded - {name}, {name: number}), name)
        )
        failed = [entry for entry in self._catalog.entries() if entry.name == name and entry.state is State.FAILED]
        if failed:
            raise UnusableInput(f"model {name} version {failed[-1].version} failed to load: {failed[-1].reason}")

    async def unload(self, name: str) -> None:
        """Stops serving a model, in all its versions, until it is loaded again."""
        self._catalog.entry(name)
        await self._order(lambda orders, _: _told(orders, orders.unloaded | {name}, {}))

    async def pin(self, name: str, version: int) -> None:
        """Makes a published version the default, which newer ones do not replace. If it fails, nothing changes."""
        versions = self._versions(name)
        if version not in versions:
            raise UnknownModel(f"model {name!r} has no version {version}; published: {', '.join(map(str, versions))}")
        before = self._board.orders().pins
        await self._order(lambda orders, number: _pinned(orders, {**orders.pins, name: version}, {name: number}))
        entry = self._catalog.find(name, version)
        if not is_serving(entry):
            others = {each: pin for each, pin in before.items() if each == name}
            await self._order(lambda orders, _: _pinned(orders, _without(orders.pins, name) | others, {}))
            reason = entry.reason if entry else "it is not here"
            raise UnusableInput(f"model {name} version {version} cannot serve, so nothing is changed: {reason}")

    async def unpin(self, name: str) -> None:
        """Makes the newest version that is ready the default again, whatever the settings pin."""
        self._versions(name)
        await self._order(lambda orders, _: _pinned(orders, {**orders.pins, name: None}, {}))

    async def roll_back(self, name: str) -> None:
        """Pins the version before the one that serves."""
        current = self._catalog.entry(name).version
        older = [version for version in self._versions(name) if version < current]
        if not older:
            raise UnusableInput(f"model {name} version {current} has no version before it")
        await self.pin(name, older[-1])

    async def _order(self, change: Callable[[Orders, int], Orders]) -> None:
        number = await asyncio.to_thread(self._board.order, change)  # it waits for a lock
        self._steward.wake()
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_carried_out(number):
            if time.monotonic() > deadline:
                raise NotReady(f"the order is given, but some worker has not carried it out in {PATIENCE_S:.0f} s")
            await asyncio.sleep(SOON_S)

    def _is_carried_out(self, number: int) -> bool:
        reports = [self._steward.report(), *self._board.others()]
        return all(report.order >= number and not report.is_pending for report in reports)

    def _versions(self, name: str) -> list[int]:
        """What is published of a model now."""
        names = self._repository.names()
        if name not in names:
            raise UnknownModel(f"there is no model {name!r}; published: {', '.join(names) or 'none'}")
        return self._repository.versions(name)


def _told(orders: Orders, unloaded: frozenset[str], loads: dict[str, int]) -> Orders:
    return orders.model_copy(update={"unloaded": unloaded, "loads": orders.loads | loads})


def _on_trial_again(orders: Orders, name: str) -> Orders:
    stopped = {each: reason for each, reason in orders.stopped.items() if each.rpartition("/")[0] != name}
    return orders.model_copy(update={"stopped": stopped})


def _pinned(orders: Orders, pins: dict[str, int | None], loads: dict[str, int]) -> Orders:
    return orders.model_copy(update={"pins": pins, "loads": orders.loads | loads})


def _without(pins: dict[str, int | None], name: str) -> dict[str, int | None]:
    return {each: pin for each, pin in pins.items() if each != name}
