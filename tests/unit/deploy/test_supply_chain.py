"""What the serving image is made of, and what is said of it, agree with the lock file and with the models."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.supply_chain import audit, licences
from deploy.supply_chain.inventory import LOCK, MACHINES, PYTHON, Distribution, inventory, system
from models.repository import Repository
from tests.servers import REPOSITORY, free_port


@pytest.fixture(scope="module")
def held() -> list[Distribution]:
    """What the CPU image holds."""
    return inventory().distributions


class TestInventory:
    @pytest.mark.parametrize("extras", [(), ("gpu",)], ids=["cpu", "gpu"])
    def test_is_what_uv_would_install(self, extras: tuple[str, ...]) -> None:
        uv = shutil.which("uv") or shutil.which("uv", path=REPOSITORY / ".tools" / "bin")
        if uv is None:
            pytest.skip("uv is not installed; `make` fetches it into .tools")
        left_out = (f"--no-{what}" for what in ("dev", "emit-project", "hashes", "header", "annotate"))
        command = [uv, "export", "--frozen", "--quiet", *left_out, *(f"--extra={extra}" for extra in extras)]
        done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)
        exported = {
            f"{one.name}{one.specifier}"
            for one in map(Requirement, done.stdout.splitlines())
            if one.marker is None or any(one.marker.evaluate(system(machine)) for machine in MACHINES)
        }
        assert {f"{one.name}=={one.version}" for one in inventory(extras).distributions} == exported

    def test_is_of_the_python_of_the_dockerfile(self) -> None:
        [base] = re.findall(r"^ARG PYTHON=python:(\d+)\.(\d+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
        assert tuple(map(int, base)) == PYTHON

    @pytest.mark.parametrize("extras", [(), ("gpu",)], ids=["cpu", "gpu"])
    def test_every_distribution_is_a_wheel_with_a_hash(self, extras: tuple[str, ...]) -> None:
        for one in inventory(extras).distributions:
            assert 1 <= len(one.wheels) <= len(MACHINES)
            for wheel in one.wheels:
                assert wheel.url.startswith("https://")
                assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)

    def test_what_would_have_to_be_built_is_refused(self, tmp_path: Path) -> None:
        lock = tmp_path / "uv.lock"
        lock.write_text(re.sub(r".*/orjson-[^/]*manylinux_2_17_aarch64.*\n", "", LOCK.read_text()))
        with pytest.raises(LookupError, match=r"orjson .* has no wheel for Linux on aarch64"):
            inventory(lock=lock)

    def test_training_stays_out(self, held: list[Distribution]) -> None:
        assert not {one.name for one in held} & {"torch", "torchvision", "tensorboard", "onnx", "pytest", "uv"}


class TestLicences:
    def test_all_are_allowed(self, held: list[Distribution]) -> None:
        assert licences.refused(held) == []

    def test_one_that_is_not_is_named(self, held: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(licences.READ, "jinja2", "MIT AND GPL-3.0-only")
        assert licences.refused(held) == ["jinja2: MIT AND GPL-3.0-only"]

    @pytest.mark.parametrize("words", ["", "BSD", "Proprietary", "MIT AND"])
    def test_words_that_are_no_expression_are_refused(self, words: str) -> None:
        with pytest.raises(licences.UnknownLicence, match="jinja2 states its licence as"):
            licences.spdx("jinja2", words)

    def test_a_distribution_that_is_not_installed_is_refused(self) -> None:
        with pytest.raises(licences.UnknownLicence, match="not installed"):
            licences.licence("no-such-distribution")

    def test_what_was_read_by_a_person_is_still_there(self) -> None:
        texts = {"jinja2": "licenses/LICENSE.txt", "nvidia-ml-py": "pynvml.py"}
        for name, file in texts.items():
            [found] = [one for one in distribution(name).files or () if str(one).endswith(file)]
            assert "neither the name of" in found.read_text().lower(), name

    @pytest.mark.skipif(sys.platform != "linux", reason="CUDA's libraries are installed on Linux only")
    def test_only_cuda_is_not_allowed_on_a_gpu(self) -> None:
        refused = licences.refused(inventory(("gpu",)).distributions)
        assert refused
        assert all(re.fullmatch(rf"(nvidia-|cuda-).*: {licences.NVIDIA}", line) for line in refused)


def write_bill(path: Path, **environment: str) -> str:
    command = [sys.executable, "-m", "deploy.supply_chain.sbom", str(path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, env=os.environ | environment)
    return path.read_text()


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The bill of materials of the CPU image."""
    return write_bill(tmp_path_factory.mktemp("bill") / "bill.json", PYTHONHASHSEED="1")


class TestBill:
    def test_fits_the_schema(self, bill: str) -> None:
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None

    def test_is_the_same_every_time(self, bill: str, tmp_path: Path) -> None:
        assert write_bill(tmp_path / "folder" / "bill.json", PYTHONHASHSEED="2") == bill

    def test_has_the_time_that_reproducible_builds_agree_on(self, bill: str, tmp_path: Path) -> None:
        dated = json.loads(write_bill(tmp_path / "bill.json", SOURCE_DATE_EPOCH="1700000000"))
        assert dated["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
        assert dated["serialNumber"] != json.loads(bill)["serialNumber"]

    def test_lists_distributions_and_models(self, bill: str, held: list[Distribution], published: Path) -> None:
        components = json.loads(bill)["components"]
        libraries = {one["purl"] for one in components if one["type"] == "library"}
        assert libraries == {f"pkg:pypi/{one.name}@{one.version}" for one in held}
        models = {one["bom-ref"]: one["hashes"][0]["content"] for one in components if "purl" not in one}
        repository = Repository(published)
        versions = {f"{name}/{number}" for name in repository.names() for number in repository.versions(name)}
        assert models.keys() == versions
        for place, sha256 in models.items():
            assert sha256 == hashlib.sha256((published / place / "manifest.json").read_bytes()).hexdigest()

    def test_every_component_is_reached_from_the_application(self, bill: str) -> None:
        document = json.loads(bill)
        graph = {one["ref"]: one["dependsOn"] for one in document["dependencies"]}
        reached, waiting = set(), ["axon"]
        while waiting:
            reached.add(ref := waiting.pop())
            waiting += set(graph.get(ref, ())) - reached
        assert reached == {"axon", *(one["bom-ref"] for one in document["components"])}


class Advisories(ThreadingHTTPServer):
    """Answers OSV's query protocol with one advisory against each of `known`, and remembers what it was asked."""

    def __init__(self, known: set[str]) -> None:
        super().__init__(("127.0.0.1", 0), AdvisoriesHandler)
        self.known = known
        self.asked: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}/v1/query"


class AdvisoriesHandler(BaseHTTPRequestHandler):
    server: Advisories

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, exact = query["package"]["name"], f"{query['package']['name']}=={query['version']}"
        self.server.asked.add(exact)
        advisory = {"id": "GHSA-0000-0000-0000", "aliases": ["CVE-2000-0001"], "summary": "x", "affected": [
            {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999"}]}]}]}  # fmt: skip
        body = json.dumps({"vulns": [advisory]} if exact in self.server.known else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class TestAudit:
    @pytest.fixture
    def advisories(self) -> Iterator[Advisories]:
        with Advisories({audit.CONTROL}) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server
            server.shutdown()
            thread.join()

    def run(self, url: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "deploy.supply_chain.audit", "--osv-url", url]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)

    def test_looks_every_distribution_up(self, advisories: Advisories, held: list[Distribution]) -> None:
        done = self.run(advisories.url)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{len(held)} distributions looked up, 0 advisories\n"
        assert advisories.asked == {audit.CONTROL, *(f"{one.name}=={one.version}" for one in held)}

    def test_a_finding_fails_and_names_its_mend(self, advisories: Advisories, held: list[Distribution]) -> None:
        [starlette] = [one for one in held if one.name == "starlette"]
        advisories.known.add(f"starlette=={starlette.version}")
        done = self.run(advisories.url)
        assert done.returncode == 1, done.stderr
        assert f"starlette {starlette.version}: CVE-2000-0001, GHSA-0000-0000-0000; mended in 9999" in done.stdout

    def test_a_server_that_cannot_be_reached_fails(self) -> None:
        done = self.run(f"http://127.0.0.1:{free_port()}/v1/query")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("audit: no advisories from http://127.0.0.1:")

    def test_a_server_without_advisories_fails(self, advisories: Advisories) -> None:
        advisories.known.clear()
        done = self.run(advisories.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert "its silence means nothing" in done.stderr

    def test_what_was_not_looked_up_fails(self, advisories: Advisories) -> None:
        with pytest.raises(audit.NotAudited, match="not looked up: colorama"):
            audit.findings(["jinja2==3.1.6", "colorama==0.4.6 ; sys_platform == 'nowhere'"], advisories.url)

    def test_lists_what_an_interpreter_and_its_base_have(self) -> None:
        own, base = audit.installed([sys.executable])
        assert own["bentoml"] == version("bentoml")
        assert own.keys() >= {canonicalize_name(one.name) for one in inventory().distributions}
        assert all(re.match(r"\d", number) for number in base.values())
