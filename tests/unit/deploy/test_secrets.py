"""Keys reach the pods as docs/access.md says."""

import os
import re
from pathlib import Path

from tests.servers import REPOSITORY
from tests.unit.deploy.manifests import render, workload

PAGE = (REPOSITORY / "docs" / "access.md").read_text()


def test_the_kustomization_of_the_page_hands_the_secret_to_the_pods(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
    text = text.replace("deploy/", os.path.relpath(REPOSITORY / "deploy", tmp_path.resolve()) + "/")
    (tmp_path / "kustomization.yaml").write_text(text)
    secret = re.search(r"create secret generic (\S+) --from-literal=AXON_ACCESS__KEYS", PAGE)[1]
    sources = workload(render(str(tmp_path))).container["envFrom"]
    assert [set(source) for source in sources] == [{"configMapRef"}, {"secretRef"}]
    assert sources[1]["secretRef"] == {"name": secret}, "not optional: no pod starts without it"
