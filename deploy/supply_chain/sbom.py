"""Writes the bill of materials of the serving image as CycloneDX 1.6 JSON (ECMA-424): distributions and models.

    python -m deploy.supply_chain.sbom dist/axon.cdx.json [--extra gpu]

The same lock file and models give the same bytes: the serial number comes from the content, and the only time in it is
SOURCE_DATE_EPOCH, where that is set.
"""

import argparse
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

from deploy.supply_chain.inventory import PROJECT, ROOT, Distribution, Inventory, inventory
from deploy.supply_chain.licences import licence
from models.bundle import Bundle
from models.repository import Repository
from service import VERSION

Component = dict[str, Any]


def bill(held: Inventory, bundles: list[Bundle]) -> dict[str, Any]:
    """The document, its serial number included."""
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {**timestamp(), "component": application()},
        "components": [*map(library, held.distributions), *map(model, bundles)],
        "dependencies": dependencies(held, bundles),
    }
    content = json.dumps(document, sort_keys=True)
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}"}


def timestamp() -> dict[str, str]:
    """The time that reproducible builds agree on: reproducible-builds.org/specs/source-date-epoch."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(epoch)))} if epoch else {}


def application() -> Component:
    """Axon itself."""
    return {
        "type": "application",
        "bom-ref": PROJECT,
        "name": PROJECT,
        "version": VERSION,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def library(distribution: Distribution) -> Component:
    """A distribution, with the wheels that it may have come from."""
    return {
        "type": "library",
        "bom-ref": distribution.name,
        "name": distribution.name,
        "version": distribution.version,
        "licenses": [{"expression": licence(distribution.name)}],
        "purl": f"pkg:pypi/{distribution.name}@{distribution.version}",
        "externalReferences": [
            {"type": "distribution", "url": wheel.url, "hashes": sha256(wheel.sha256)} for wheel in distribution.wheels
        ],
    }


def model(bundle: Bundle) -> Component:
    """A published model. Its hash is the manifest's, which holds every other file's; `/v1/models` gives the same."""
    manifest = bundle.manifest
    return {
        "type": "machine-learning-model",
        "bom-ref": f"{manifest.name}/{manifest.version}",
        "name": manifest.name,
        "version": str(manifest.version),
        "hashes": sha256(bundle.sha256),
        "components": [
            {"type": "file", "name": name, "hashes": sha256(record.sha256)}
            for name, record in sorted(manifest.files.items())
        ],
    }


def dependencies(held: Inventory, bundles: list[Bundle]) -> list[dict[str, Any]]:
    """Who asks for whom."""
    asked = [*held.direct, *(f"{bundle.manifest.name}/{bundle.manifest.version}" for bundle in bundles)]
    graph = [{"ref": one.name, "dependsOn": list(one.requires)} for one in held.distributions]
    return [{"ref": PROJECT, "dependsOn": asked}, *graph]


def sha256(content: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": content}]


def main() -> None:
    """Writes the file that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--extra", action="append", default=[], help="as in uv sync; gpu adds torch and CUDA")
    options = parser.parse_args()
    repository = Repository(ROOT / "models" / "published")
    bundles = [repository.open(name, version) for name in repository.names() for version in repository.versions(name)]
    document = bill(inventory(options.extra), bundles)
    options.path.parent.mkdir(parents=True, exist_ok=True)
    options.path.write_text(json.dumps(document, indent=2) + "\n")
    print(f"{options.path}: {len(document['components'])} components")


if __name__ == "__main__":
    main()
