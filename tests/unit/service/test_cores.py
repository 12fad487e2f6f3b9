from pathlib import Path

import pytest

from service import cores

GRANTED = cores.usable(Path("/nowhere"))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", GRANTED),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("150000 100000", min(2, GRANTED)),
        ("99900000 100000", GRANTED),
        ("", GRANTED),
        ("strange", GRANTED),
    ],
)
def test_a_containers_quota_bounds_the_cores(tmp_path: Path, quota: str, expected: int) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    assert cores.usable(file) == expected
