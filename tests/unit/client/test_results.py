"""What readings look like in a file."""

import csv
import io

from axon.readings import Reading
from axon.results import Csv, Parquet, Writer
from pyarrow import parquet

# A name that is not UTF-8, as os.fsdecode has it, and a remark that repeats it.
ODD = Reading("seven\udce9.png", error="seven\udce9.png is none")
PLAIN = Reading("plain.png", 3, 0.5, (0.5,) * 10, accepted=True)


def written(form: type[Writer]) -> bytes:
    output = io.BytesIO()
    writer = form(output)
    for reading in (PLAIN, ODD, PLAIN):
        writer.write(reading)
    writer.close()
    return output.getvalue()


def test_a_name_that_is_not_utf_8_costs_no_neighbour() -> None:
    rows = parquet.read_table(io.BytesIO(written(Parquet))).to_pylist()
    assert [row["source"] for row in rows] == ["plain.png", r"seven\udce9.png", "plain.png"]
    assert [row["error"] for row in rows] == [None, r"seven\udce9.png is none", None]
    assert [row["digit"] for row in rows] == [3, None, 3]


def test_parquet_and_csv_name_alike() -> None:
    lines = csv.DictReader(written(Csv).decode().splitlines())
    rows = parquet.read_table(io.BytesIO(written(Parquet))).to_pylist()
    assert [line["source"] for line in lines] == [row["source"] for row in rows]
