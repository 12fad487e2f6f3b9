"""The objects fit the API they are sent to, and say what the service needs and no more."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from service import VERSION
from service.settings import Settings, SettingsError, refuse_unknown, variables
from service.telemetry import metrics
from tests.servers import REPOSITORY, Server
from tests.unit.deploy.manifests import (
    KUBERNETES,
    OVERLAYS,
    PREDICTOR,
    Manifest,
    all_of,
    mebibytes,
    one_of,
    overlay,
    render,
    settings,
    workload,
)

OLDEST = "1.30"  # preStop sleep is on by default since
NEWEST = kubernetes_validate.latest_version().rpartition(".")[0]
OPERATOR = "monitoring.coreos.com/v1"
KSERVE = "serving.kserve.io/v1beta1"
USER = 10001  # the Dockerfile's
WORKER_MIB, PARENT_MIB = 540, 61  # resident after the largest picture and the largest array; the watching process

of_every_overlay = pytest.mark.parametrize("name", OVERLAYS)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("place", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_objects_fit_the_api_of_kubernetes(place: str, version: str) -> None:
    for item in render(place):
        if item["apiVersion"] not in (OPERATOR, KSERVE):
            assert kubernetes_validate.validate(item, version, strict=True) == version


@of_every_overlay
def test_objects_fit_the_api_of_the_prometheus_operator(name: str) -> None:
    from cloudcoil.models.prometheus_operator import v1  # takes two seconds

    monitoring = [item for item in overlay(name) if item["apiVersion"] == OPERATOR]
    assert {item["kind"] for item in monitoring} == {"ServiceMonitor", "PrometheusRule"}
    for item in monitoring:
        known = getattr(v1, item["kind"]).model_validate(item)
        assert known.model_dump(mode="json", by_alias=True, exclude_unset=True) == item  # else a field is unknown


def test_the_predictor_is_a_pod_and_what_kserve_adds() -> None:
    service = one_of(overlay("kserve"), "InferenceService")
    predictor = service["spec"]["predictor"]
    made = workload(overlay("kserve"))
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": service["metadata"],
        "spec": {
            "selector": {"matchLabels": made.labels},
            "strategy": made.strategy,
            "template": {"metadata": {"labels": made.labels}, "spec": made.pod},
        },
    }
    kubernetes_validate.validate(deployment, OLDEST, strict=True)
    assert service["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}
    assert set(service) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(service["spec"]) == {"predictor"}
    assert set(predictor) >= PREDICTOR
    assert made.container["name"] == "kserve-container"
    assert 2 <= predictor["minReplicas"] <= predictor["maxReplicas"]
    assert predictor["scaleMetric"] in ("cpu", "memory")  # what its autoscaler knows without Knative
    assert 0 < predictor["scaleTarget"] <= 100


def test_kserve_runs_the_same_pod_and_makes_the_rest_itself() -> None:
    ours, theirs = workload(overlay("cpu")), workload(overlay("kserve"))
    renamed = [{**theirs.container, "name": "axon"}]
    assert {**theirs.pod, "containers": renamed} == ours.pod
    assert (theirs.labels, theirs.strategy) == (ours.labels, ours.strategy)
    assert not all_of(overlay("kserve"), "Deployment") + all_of(overlay("kserve"), "HorizontalPodAutoscaler")


@of_every_overlay
def test_pods_have_no_rights(name: str) -> None:
    labels = one_of(overlay(name), "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    made = workload(overlay(name))
    assert made.pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert made.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(made.pod)


@of_every_overlay
def test_pods_carry_no_token(name: str) -> None:
    account = one_of(overlay(name), "ServiceAccount")
    pod = workload(overlay(name)).pod
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is pod["automountServiceAccountToken"] is False


@of_every_overlay
def test_only_tmp_is_writable_and_it_is_memory_within_the_limit(name: str) -> None:
    made = workload(overlay(name))
    [volume] = made.pod["volumes"]
    assert made.container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/tmp"}]
    assert volume["emptyDir"]["medium"] == "Memory"
    limits = made.container["resources"]["limits"]
    workers = int(settings(overlay(name)).get("AXON_HTTP__WORKERS", limits["cpu"]))
    needed = workers * WORKER_MIB + PARENT_MIB + mebibytes(volume["emptyDir"]["sizeLimit"])
    assert mebibytes(limits["memory"]) >= needed


@of_every_overlay
def test_what_is_asked_for_is_the_limit(name: str) -> None:
    resources = workload(overlay(name)).container["resources"]
    assert resources["requests"] == resources["limits"]
    assert int(resources["limits"]["cpu"]) >= 1  # whole cores, for a worker each


@of_every_overlay
def test_probes_and_scrapes_find_an_answer(name: str, server: Server) -> None:
    container = workload(overlay(name)).container
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    [endpoint] = one_of(overlay(name), "ServiceMonitor")["spec"]["endpoints"]
    for path in {*paths.values(), endpoint["path"]}:
        assert server.client.get(path).status_code == 200


@of_every_overlay
def test_every_port_leads_to_the_one_that_the_service_opens(name: str) -> None:
    objects = overlay(name)
    container = workload(objects).container
    [port] = container["ports"]
    opened = int(settings(objects).get("AXON_HTTP__PORT", Settings().http.port))
    assert port["containerPort"] == opened
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]
    [exposed] = one_of(objects, "Service")["spec"]["ports"]
    assert exposed["targetPort"] == port["name"]
    [endpoint] = one_of(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] == exposed["name"]


@of_every_overlay
def test_there_is_time_to_finish_what_was_accepted(name: str) -> None:
    made = workload(overlay(name))
    forget_s = made.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = int(settings(overlay(name)).get("AXON_HTTP__DRAIN_S", Settings().http.drain_s))
    assert forget_s >= 5
    assert made.pod["terminationGracePeriodSeconds"] > forget_s + drain_s


@of_every_overlay
def test_a_roll_never_takes_a_pod_before_its_successor_is_ready(name: str) -> None:
    assert workload(overlay(name)).strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }


@of_every_overlay
def test_selectors_find_the_pods(name: str) -> None:
    objects = overlay(name)
    made = workload(objects)
    selectors = [
        one_of(objects, "Service")["spec"]["selector"],
        one_of(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one_of(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in made.pod["topologySpreadConstraints"]),
        *(deployment["spec"]["selector"]["matchLabels"] for deployment in all_of(objects, "Deployment")),
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= made.labels.items()


@of_every_overlay
def test_pods_are_spread_over_zones_and_hosts(name: str) -> None:
    spreads = workload(overlay(name)).pod["topologySpreadConstraints"]
    keys = {spread["topologyKey"] for spread in spreads}
    assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


@of_every_overlay
def test_prometheus_finds_our_service_and_no_other(name: str) -> None:
    monitor = one_of(overlay(name), "ServiceMonitor")["spec"]
    labels = one_of(overlay(name), "Service")["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert labels[monitor["jobLabel"]] == "axon"
    # KServe's own Service has the labels of the predictor; to scrape both would count everything twice.
    assert not monitor["selector"]["matchLabels"].items() <= workload(overlay(name)).labels.items()


@of_every_overlay
def test_a_node_can_be_drained_at_the_lowest_number_of_pods(name: str) -> None:
    budget = one_of(overlay(name), "PodDisruptionBudget")["spec"]
    pods = workload(overlay(name)).min_replicas
    assert pods >= 2
    evictable = budget["maxUnavailable"] if "maxUnavailable" in budget else pods - budget["minAvailable"]
    assert 1 <= evictable < pods


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_the_autoscaler_follows_requests_in_flight(name: str) -> None:
    scaler = one_of(overlay(name), "HorizontalPodAutoscaler")["spec"]
    deployment = one_of(overlay(name), "Deployment")
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": deployment["kind"],
        "name": deployment["metadata"]["name"],
    }
    assert "replicas" not in deployment["spec"]  # else every apply would undo the autoscaler
    [metric] = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == metrics.INFLIGHT._name == adapter_rule()["seriesQuery"].partition("{")[0]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300  # the default of Kubernetes


def test_the_adapter_asks_for_the_sum_of_a_pod(tmp_path: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool, which parses queries, is not installed")
    rule = adapter_rule()
    assert rule["resources"]["overrides"] == {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
    asked = {
        "<<.Series>>": metrics.INFLIGHT._name,
        "<<.LabelMatchers>>": 'namespace="axon",pod=~"axon-1|axon-2"',
        "<<.GroupBy>>": "pod",
    }
    query = re.sub(r"<<\.\w+>>", lambda template: asked[template[0]], rule["metricsQuery"])
    series = [
        {"series": f'{asked["<<.Series>>"]}{{namespace="axon",pod="axon-{pod}",model="{model}"}}', "values": "3x9"}
        for pod in (1, 2)
        for model in ("cnn", "rnn")
    ]
    expected = [{"labels": f'{{pod="axon-{pod}"}}', "value": 6} for pod in (1, 2)]
    case = {
        "interval": "15s",
        "input_series": series,
        "promql_expr_test": [{"expr": query, "eval_time": "2m", "exp_samples": expected}],
    }
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"tests": [case]}))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def adapter_rule() -> Manifest:
    values = yaml.safe_load((KUBERNETES / "monitoring" / "prometheus-adapter.yaml").read_text())
    [rule] = values["rules"]["custom"]
    return rule


@of_every_overlay
def test_the_network_lets_requests_in_and_nothing_out(name: str) -> None:
    objects = overlay(name)
    policy = one_of(objects, "NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    [port] = workload(objects).container["ports"]
    assert policy["ingress"] == [{"ports": [{"port": port["containerPort"], "protocol": "TCP"}]}]  # from everywhere


@of_every_overlay
def test_the_service_takes_its_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = settings(overlay(name))
    refuse_unknown(environment)
    for variable in variables():
        monkeypatch.delenv(variable.name, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    Settings.load()
    assert "env" not in workload(overlay(name)).container


@of_every_overlay
def test_kubernetes_adds_no_settings_of_its_own(name: str) -> None:
    prefix = one_of(overlay(name), "Service")["metadata"]["name"].upper()
    with pytest.raises(SettingsError):
        refuse_unknown({f"{prefix}_SERVICE_HOST": "10.0.0.1"})  # what a pod gets for every Service of its namespace
    assert workload(overlay(name)).pod["enableServiceLinks"] is False


@of_every_overlay
def test_a_change_of_settings_rolls_the_pods(name: str) -> None:
    [source] = workload(overlay(name)).container["envFrom"]
    assert re.fullmatch(r"axon-[a-z0-9]{10}", source["configMapRef"]["name"])
    other = "cpu" if name == "gpu" else "gpu"
    assert source != workload(overlay(other)).container["envFrom"][0]


@of_every_overlay
def test_the_image_is_of_this_version(name: str) -> None:
    suffix = "-gpu" if name == "gpu" else ""
    assert workload(overlay(name)).container["image"] == f"axon:{VERSION}{suffix}"


def test_the_gpu_overlay_runs_one_worker_on_one_gpu() -> None:
    made = workload(overlay("gpu"))
    assert made.container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert made.pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made.pod["nodeSelector"]
    environment = settings(overlay("gpu"))
    assert (environment["AXON_INFERENCE__DEVICE"], environment["AXON_HTTP__WORKERS"]) == ("cuda", "1")
    assert settings(overlay("cpu")).items() <= environment.items()


@of_every_overlay
def test_prometheus_gets_the_rules_that_it_reads_elsewhere(name: str) -> None:
    files = sorted((REPOSITORY / "monitoring" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    assert groups
    assert one_of(overlay(name), "PrometheusRule")["spec"] == {"groups": groups}


@of_every_overlay
def test_grafana_gets_every_dashboard_as_it_is(name: str) -> None:
    found = {
        file: content
        for item in all_of(overlay(name), "ConfigMap")
        if item["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for file, content in item["data"].items()
    }
    dashboards = sorted((REPOSITORY / "monitoring" / "grafana" / "dashboards").glob("*.json"))
    assert dashboards
    assert {file: json.loads(content) for file, content in found.items()} == {
        path.name: json.loads(path.read_text()) for path in dashboards
    }


@of_every_overlay
def test_every_object_can_be_applied(name: str) -> None:
    for item in overlay(name):
        assert len(json.dumps(item)) < 256 * 1024, item["metadata"]["name"]  # kubectl keeps a copy in an annotation
        if item["kind"] != "Namespace":
            assert item["metadata"]["namespace"] == one_of(overlay(name), "Namespace")["metadata"]["name"]
