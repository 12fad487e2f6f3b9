"""What `kubectl apply -k` would send to a cluster, rendered by kustomize."""

import functools
import shutil
import subprocess
from typing import Any, NamedTuple

import pytest
import yaml

from tests.servers import REPOSITORY

Manifest = dict[str, Any]

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = ("cpu", "gpu", "kserve")

# What KServe 0.21 takes in a predictor beside the fields of a pod, of that which the overlay uses; from the
# ComponentExtensionSpec of its Python SDK and of pkg/apis/serving/v1beta1/component.go.
PREDICTOR = {"minReplicas", "maxReplicas", "scaleMetric", "scaleTarget", "labels", "deploymentStrategy"}


class Workload(NamedTuple):
    """The pods of an overlay, whether a Deployment makes them or KServe."""

    labels: dict[str, str]
    pod: Manifest
    strategy: Manifest
    min_replicas: int

    @property
    def container(self) -> Manifest:
        """The only one."""
        [container] = self.pod["containers"]
        return container


@functools.cache
def render(place: str) -> tuple[Manifest, ...]:
    """The objects of a kustomization under deploy/kubernetes. Skips the test where nothing can render them."""
    command = _kustomize()
    if command is None:
        pytest.skip("neither kubectl nor kustomize 5 is installed")
    done = subprocess.run([*command, str(KUBERNETES / place)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, f"kustomize warns: {done.stderr}"
    return tuple(yaml.safe_load_all(done.stdout))


def overlay(name: str) -> tuple[Manifest, ...]:
    """The objects of an overlay."""
    return render(f"overlays/{name}")


def all_of(objects: tuple[Manifest, ...], kind: str) -> list[Manifest]:
    """The objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def one_of(objects: tuple[Manifest, ...], kind: str, name: str = "axon") -> Manifest:
    """The object of a kind, whose name may go on with a hash."""
    [item] = [item for item in all_of(objects, kind) if (item["metadata"]["name"] + "-").startswith(name + "-")]
    return item


def workload(objects: tuple[Manifest, ...]) -> Workload:
    """The pods of an overlay."""
    if predictors := all_of(objects, "InferenceService"):
        predictor = predictors[0]["spec"]["predictor"]
        pod = {field: value for field, value in predictor.items() if field not in PREDICTOR}
        return Workload(predictor["labels"], pod, predictor["deploymentStrategy"], predictor["minReplicas"])
    spec = one_of(objects, "Deployment")["spec"]
    floor = one_of(objects, "HorizontalPodAutoscaler")["spec"]["minReplicas"]
    return Workload(spec["template"]["metadata"]["labels"], spec["template"]["spec"], spec["strategy"], floor)


def settings(objects: tuple[Manifest, ...]) -> dict[str, str]:
    """The environment that the pods get."""
    [source] = workload(objects).container["envFrom"]
    [found] = [
        item for item in all_of(objects, "ConfigMap") if item["metadata"]["name"] == source["configMapRef"]["name"]
    ]
    return found["data"]


def mebibytes(quantity: str) -> int:
    """A Kubernetes quantity of memory."""
    units = {"Mi": 1, "Gi": 1024}
    return int(quantity[:-2]) * units[quantity[-2:]]


@functools.cache
def _kustomize() -> list[str] | None:
    if kubectl := shutil.which("kubectl"):
        version = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True).stdout
        if "Kustomize Version: v5" in version:
            return [kubectl, "kustomize"]
    if kustomize := shutil.which("kustomize"):
        version = subprocess.run([kustomize, "version"], capture_output=True, text=True).stdout
        if "v5" in version:
            return [kustomize, "build"]
    return None
