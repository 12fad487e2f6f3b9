"""How readings are written: a table, CSV, JSON lines or Parquet; one at a time, so that none waits for the last."""

import csv
import json
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol

from axon.readings import Reading

DIGITS = 10
ROWS = 10_000  # that a Parquet file gathers before it writes them
COLUMNS = ("source", "digit", "confidence", "accepted", "reason", "error")


class Writer(Protocol):
    """Writes readings; `close` writes what is still to be written, and leaves the output open."""

    def write(self, reading: Reading) -> None:
        """Writes one."""

    def close(self) -> None:
        """Writes the rest."""


class Table:
    """Lines for people: the digit, its confidence, what is to be said of it, the source."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._line("digit", "confidence", "remark", "source")

    def write(self, reading: Reading) -> None:
        """A line; a reading that is refused shows its best guess in brackets."""
        if reading.digit is None or reading.confidence is None:
            self._line("-", "", f"error: {reading.error}", reading.source)
        else:
            digit = str(reading.digit) if reading.accepted else f"({reading.digit})"
            self._line(digit, f"{reading.confidence:.4f}", reading.reason or "", reading.source)

    def close(self) -> None:
        """Nothing is left."""

    def _line(self, digit: str, confidence: str, remark: str, source: str) -> None:
        line = f"{digit:<6} {confidence:<10}  {remark:<14}  {source}\n"
        self._output.write(line.encode(errors="backslashreplace"))


class Csv:
    """RFC 4180, with a header line; the ten probabilities are columns p0 to p9."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self._writer = csv.writer(self)
        self._writer.writerow([*COLUMNS, *(f"p{digit}" for digit in range(DIGITS))])

    def write(self, reading: Reading | str) -> None:
        """A line; csv.writer gives back the text of it."""
        if isinstance(reading, str):
            self._output.write(reading.encode(errors="backslashreplace"))
        else:
            values = [getattr(reading, column) for column in COLUMNS]
            self._writer.writerow([*values, *(reading.probabilities or [None] * DIGITS)])

    def close(self) -> None:
        """Nothing is left."""


class JsonLines:
    """An object a line."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output

    def write(self, reading: Reading) -> None:
        """A line."""
        self._output.write(json.dumps(reading._asdict()).encode() + b"\n")

    def close(self) -> None:
        """Nothing is left."""


class Parquet:
    """A Parquet file, 10,000 rows a group. Raises ImportError without the extra `parquet`."""

    def __init__(self, output: IO[bytes]) -> None:
        import pyarrow as arrow
        from pyarrow import parquet

        text, number = arrow.string(), arrow.float64()
        types = (text, arrow.int8(), number, arrow.bool_(), text, text)
        columns = [*zip(COLUMNS, types, strict=True), ("probabilities", arrow.list_(arrow.float32()))]
        self._schema = arrow.schema(columns)
        self._table = arrow.Table
        self._writer: Any = parquet.ParquetWriter(output, self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, reading: Reading) -> None:
        """A row."""
        self._rows.append({column: _utf_8(value) for column, value in reading._asdict().items()})
        if len(self._rows) >= ROWS:
            self._flush()

    def close(self) -> None:
        """Writes the last rows and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _utf_8(value: Any) -> Any:
    """Text as CSV has it: bytes of a file name that are not UTF-8 are escaped. All else is left as it is."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


FORMATS: Mapping[str, Callable[[IO[bytes]], Writer]] = {
    "table": Table,
    "csv": Csv,
    "jsonl": JsonLines,
    "parquet": Parquet,
}
