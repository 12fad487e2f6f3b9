import pytest

from benchmarks.__main__ import PARTS, options_of, parse
from benchmarks.contenders import CONTENDERS
from benchmarks.environments import HOME, PEERS, versions
from benchmarks.machine import PEERS as PINNED
from tests.servers import REPOSITORY


def test_a_quick_run_is_smaller_in_every_way() -> None:
    full, quick = options_of(parse([])), options_of(parse(["--quick"]))
    assert quick.rounds < full.rounds
    assert quick.paced_seconds < full.paced_seconds
    assert quick.soak_requests < full.soak_requests == 200_000
    assert full.connections == (1, 16, 64)


def test_what_is_asked_for_is_kept() -> None:
    asked = options_of(parse(["--quick", "--rounds", "7", "--seconds", "3", "--seed", "5"]))
    assert (asked.rounds, asked.seconds, asked.seed) == (7, 3, 5)
    assert parse(["--only", "open", "soak"]).only == ["open", "soak"]
    assert parse([]).only == list(PARTS)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--only", "everything"])
    assert "invalid choice: 'everything'" in capsys.readouterr().err


@pytest.mark.parametrize("contender", CONTENDERS.values(), ids=lambda contender: contender.name)
def test_requirements_are_pinned(contender: object) -> None:
    if contender.requirements:
        lines = (PEERS / contender.requirements).read_text().splitlines()
        assert lines
        assert all("==" in line for line in lines)


def test_versions_are_those_of_the_pins() -> None:
    for requirements, names in PINNED.items():
        assert set(versions(requirements, names)) == set(names)


def test_environments_are_ignored_by_git() -> None:
    ignored = (REPOSITORY / ".gitignore").read_text().splitlines()
    assert f"{HOME.relative_to(REPOSITORY).parts[0]}/" in ignored
