"""A worker's models without the worker: stewards that share a board, each with a catalog of its own."""

import asyncio
from pathlib import Path

from models.repository import Repository
from service.inference.board import Board
from service.inference.catalog import Catalog, Entry
from service.inference.loader import Loader
from service.inference.management import Management
from service.inference.steward import Steward
from service.settings import Inference, Models


class Worker:
    """Has opened what is published under `root`; `tend` does what it does every second while it serves."""

    def __init__(
        self,
        root: Path,
        number: int = 1,
        candidates: dict[str, frozenset[int]] | None = None,
        loader: type[Loader] = Loader,
        opens: bool = True,
        **models: object,
    ) -> None:
        settings = Models(root=root, **{"required": (), "watch_s": 1e-9, **models})
        repository = Repository(root)
        self.board = Board(root.parent / f"{root.name}-board", number, settings.orders)
        self.catalog = Catalog(settings.required, heartbeat_s=10)
        self.told: list[str] = []
        loads = loader(repository, Inference(engine="onnx"), threads=1)
        self.steward = Steward(self.catalog, loads, repository, settings, self.board, candidates, self._tell)
        self.management = Management(self.catalog, repository, self.board, self.steward)
        if opens:
            asyncio.run(self.steward.open())

    def tend(self, times: int = 1) -> None:
        """Looks at the folder and at the board so often."""
        for _ in range(times):
            asyncio.run(self.steward.tend())

    def _tell(self, entry: Entry) -> None:
        self.told.append(f"{entry.name}/{entry.version} {entry.state}")

    def states(self) -> dict[str, str]:
        """By version, such as "cnn/1"; a star marks the default."""
        return {
            f"{entry.name}/{entry.version}{'*' if entry.is_default else ''}": str(entry.state)
            for entry in self.catalog.entries()
        }
