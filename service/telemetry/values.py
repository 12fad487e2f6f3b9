"""The numbers that this worker counts, each in one of the worker's files (`service/telemetry/files.py`).

The library's own kind keeps whatever it has counted for as long as the process lives: 200 kB for each version of a
model that ever served. These can be forgotten. The format of the files, and who reads them, are the library's.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key


class Store:
    """One file. Series are found by key: metric, sample, labels and help, as JSON."""

    def __init__(self, path: Path, reserve: Callable[[Path], None]) -> None:
        self._path = path
        self._reserve = reserve
        self._map: Any = MmapedDict(str(path))  # type: ignore[no-untyped-call]
        self.lock = Lock()  # held by whoever reads or writes

    def read(self, key: str) -> float:
        """What a series has, 0 for a new one."""
        return float(self._map.read_value(key)[0])

    def write(self, key: str, value: float) -> None:
        """Sets a series."""
        self._map.write_value(key, value, 0.0)

    def close(self) -> None:
        """Closes the file."""
        self._map.close()

    def forget(self, is_gone: Callable[[Mapping[str, str]], bool]) -> None:
        """Writes the file anew, without the series whose labels are gone. Raises OSError where there is no room."""
        with self.lock:
            kept = [(key, value) for key, value, _ in self._map.read_all_values() if not is_gone(json.loads(key)[2])]
            staging = self._path.with_suffix(".new")
            self._reserve(staging)
            fresh: Any = MmapedDict(str(staging))  # type: ignore[no-untyped-call]
            for key, value in kept:
                fresh.write_value(key, value, 0.0)
            staging.replace(self._path)  # whoever reads has the old file or the new one, whole
            old, self._map = self._map, fresh
            old.close()


class Stores:
    """The files of one worker, by kind."""

    def __init__(self, folder: Path, number: int, reserve: Callable[[Path], None]) -> None:
        self._folder = folder
        self._number = number
        self._reserve = reserve
        self._stores: dict[str, Store] = {}

    def of(self, kind: str) -> Store:
        """The file of a kind: counter, histogram, gauge_livemax."""
        if kind not in self._stores:
            self._stores[kind] = Store(self._folder / f"{kind}_{self._number}.db", self._reserve)
        return self._stores[kind]

    def forget(self, is_gone: Callable[[Mapping[str, str]], bool]) -> None:
        """Forgets series in all files, as far as there is room to write them anew."""
        with suppress(OSError):
            for store in self._stores.values():
                store.forget(is_gone)

    def close(self) -> None:
        """Closes all files; nothing is counted any more."""
        for store in self._stores.values():
            store.close()

    def value_class(self) -> type:
        """What the library makes a value of for each series."""
        own = self

        class Value:
            stores = own
            _multiprocess = True

            def __init__(
                self,
                typ: str,
                metric_name: str,
                name: str,
                labelnames: Any,
                labelvalues: Any,
                help_text: str,
                multiprocess_mode: str = "",
                **_: Any,
            ) -> None:
                self._store = own.of(f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ)
                self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
                with self._store.lock:
                    self._value = self._store.read(self._key)

            def inc(self, amount: float) -> None:
                with self._store.lock:
                    self._value += amount
                    self._store.write(self._key, self._value)

            def set(self, value: float, timestamp: float | None = None) -> None:
                with self._store.lock:
                    self._value = value
                    self._store.write(self._key, value)

            def get(self) -> float:
                return self._value

            def set_exemplar(self, exemplar: Any) -> None:
                """There are none."""

            def get_exemplar(self) -> None:
                return None

        return Value
