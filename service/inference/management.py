"""What operators order while the service runs: load, unload, pin, unpin, roll back; the board brings it to all workers.

Knows orders and when they are carried out; `steward` carries them out. They end with the service, unless
AXON_MODELS__ORDERS names a file for them.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from models.repository import Repository
from service.errors import Forbidden, NotReady, UnknownModel, UnusableInput
from service.inference.board import Board, Orders, key_of, label
from service.inference.catalog import Catalog, State
from service.inference.steward import SOON_S, Steward
from service.inference.wishes import is_serving

log = logging.getLogger(__name__)

PATIENCE_S = 60.0  # that an order may take


class Management:
    """Gives orders, and returns when every worker has carried them out.

    Every method raises UnknownModel for what is not published, UnusableInput for a version that cannot serve, NotReady
    when workers do not answer within a minute, and Forbidden where this worker has no board in common with the others.
    """

    def __init__(
        self, catalog: Catalog, repository: Repository, board: Board, steward: Steward, *, reaches_all: bool = True
    ) -> None:
        self._catalog = catalog
        self._repository = repository
        self._board = board
        self._steward = steward
        self._reaches_all = reaches_all

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
        await self._versions(name)
        await self._order(lambda orders, number: _anew(_told(orders, orders.unloaded - {name}, {name: number}), name))
        failed = [entry for entry in self._catalog.entries() if entry.name == name and entry.state is State.FAILED]
        if failed:
            raise UnusableInput(f"model {name} version {failed[-1].version} failed to load: {failed[-1].reason}")

    async def unload(self, name: str) -> None:
        """Stops serving a model, in all its versions, until it is loaded again."""
        self._check_reach()
        self._catalog.entry(name)
        await self._order(lambda orders, _: _unasked(_told(orders, orders.unloaded | {name}, {}), name))

    async def pin(self, name: str, version: int) -> None:
        """Makes a published version the default, which newer ones do not replace.

        It is pinned when every worker has it, so that nothing changes where it fails, or where whoever asked leaves.
        """
        versions = await self._versions(name)
        if version not in versions:
            raise UnknownModel(f"model {name!r} has no version {version}; published: {', '.join(map(str, versions))}")
        asked = label((name, version))
        await self._order(lambda orders, number: _asked(orders, orders.asked | {asked}, {name: number}))
        entry = self._catalog.find(name, version)
        if not is_serving(entry):
            await self._order(lambda orders, _: _asked(orders, orders.asked - {asked}, {}))
            reason = entry.reason if entry else "it is not here"
            raise UnusableInput(f"model {name} version {version} cannot serve, so nothing is changed: {reason}")
        await self._order(lambda orders, _: _pinned(_asked(orders, orders.asked - {asked}, {}), name, version))

    async def unpin(self, name: str) -> None:
        """Makes the newest version that is ready the default again, whatever the settings pin."""
        await self._versions(name)
        await self._order(lambda orders, _: _unasked(_pinned(orders, name, None), name))

    async def roll_back(self, name: str) -> None:
        """Pins the version before the one that serves."""
        current = self._catalog.entry(name).version
        older = [version for version in await self._versions(name) if version < current]
        if not older:
            raise UnusableInput(f"model {name} version {current} has no version before it")
        await self.pin(name, older[-1])

    def _check_reach(self) -> None:
        if not self._reaches_all:
            raise Forbidden(
                "this worker cannot tell the others what to serve, which `bentoml serve` keeps apart; "
                "start the service with `python -m service`, or with one worker"
            )

    async def _order(self, change: Callable[[Orders, int], Orders]) -> None:
        try:
            number = await asyncio.to_thread(self._board.order, change)  # it waits for a lock
        except OSError as error:  # a TimeoutError is one
            log.exception("order_not_given")
            why = "somebody else is giving one" if isinstance(error, TimeoutError) else "it cannot be written down"
            raise NotReady(f"the order cannot be given: {why}", retry_after_s=10) from None
        self._steward.wake()
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_carried_out(number):
            if time.monotonic() > deadline:
                raise NotReady(f"the order is given, but some worker has not carried it out in {PATIENCE_S:.0f} s")
            await asyncio.sleep(SOON_S)

    def _is_carried_out(self, number: int) -> bool:
        reports = [self._steward.report(), *self._board.others()]
        return all(report.order >= number and not report.is_pending for report in reports)

    async def _versions(self, name: str) -> list[int]:
        """What is published of a model now, of which somebody wants to order something."""
        self._check_reach()
        names = await asyncio.to_thread(self._repository.names)
        if name not in names:
            raise UnknownModel(f"there is no model {name!r}; published: {', '.join(names) or 'none'}")
        return await asyncio.to_thread(self._repository.versions, name)


def _told(orders: Orders, unloaded: frozenset[str], loads: dict[str, int]) -> Orders:
    return orders.model_copy(update={"unloaded": unloaded, "loads": orders.loads | loads})


def _anew(orders: Orders, name: str) -> Orders:
    """With a model on trial again."""
    stopped = {each: reason for each, reason in orders.stopped.items() if key_of(each)[0] != name}
    return _unasked(orders.model_copy(update={"stopped": stopped}), name)


def _unasked(orders: Orders, name: str) -> Orders:
    """Without what was asked for of a model by who did not wait for the answer."""
    asked = frozenset(each for each in orders.asked if key_of(each)[0] != name)
    return orders.model_copy(update={"asked": asked})


def _asked(orders: Orders, asked: frozenset[str], loads: dict[str, int]) -> Orders:
    return orders.model_copy(update={"asked": asked, "loads": orders.loads | loads})


def _pinned(orders: Orders, name: str, version: int | None) -> Orders:
    return orders.model_copy(update={"pins": {**orders.pins, name: version}})
