"""docker-compose.yml, read as a file: what it promises holds for every service, grafana and the GPU's included."""

import configparser
import re
from typing import Any

import pytest
import yaml

from service import VERSION
from service.settings import Settings, refuse_unknown
from tests.servers import REPOSITORY

COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OPEN = {"axon", "axon-gpu", "prometheus", "grafana"}  # who may be reached from other hosts

each = pytest.mark.parametrize("name", SERVICES)


@each
def test_every_service_is_confined_and_bounded(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert re.fullmatch(r"(\$\{SERVICE_MEMORY:-)?\d+[mg]\}?", service["mem_limit"])
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices", "user"}


@each
def test_every_image_has_a_version(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]
    if name.startswith(("axon", "demo")):
        assert tag.removesuffix("-gpu") == f"${{IMAGE_TAG:-{VERSION}}}"
    else:
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


@each
def test_only_three_are_open_to_other_hosts(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert name in OPEN or port.startswith("127.0.0.1:")


@each
def test_what_is_mounted_exists_and_is_read_only(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, rest = volume.partition(":")
        if source.startswith("."):
            assert (REPOSITORY / source).exists()
            assert rest.endswith(":ro,z")  # z: SELinux lets the container read it
        else:
            assert source in COMPOSE["volumes"]


@each
def test_who_waits_waits_for_health(name: str) -> None:
    for other, condition in SERVICES[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert other == "axon" or "healthcheck" in SERVICES[other]  # axon's is in its image


@pytest.mark.parametrize("name", ["axon", "axon-gpu"])
def test_the_service_keeps_its_metric_files_in_memory_and_has_time_to_drain(name: str) -> None:
    service = SERVICES[name]
    assert any(mount.startswith("/tmp:") for mount in service["tmpfs"])
    assert int(service["stop_grace_period"].removesuffix("s")) > Settings().http.drain_s
    refuse_unknown(service.get("environment", {}))


def test_nobody_is_administrator_without_a_password() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == "${GRAFANA_ADMIN_PASSWORD:-}"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "${GRAFANA_ADMIN_PASSWORD:+false}"
    settings = configparser.ConfigParser()
    settings.read(REPOSITORY / "monitoring" / "grafana" / "grafana.ini")
    assert settings.getboolean("security", "disable_initial_admin_creation")
    assert settings["auth.anonymous"]["org_role"] == "Viewer"


def test_the_history_is_long_enough_for_the_objectives() -> None:
    [retention] = [part for part in SERVICES["prometheus"]["command"] if "retention" in part]
    assert retention.endswith(":-30d}")
