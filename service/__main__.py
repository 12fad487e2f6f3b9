"""`python -m service`: checks the settings, prepares what workers find in their environment, and watches over them.

Each server gets a home of its own for metric files, because two that share one wipe each other's.
"""

import os
import sys
import tempfile
from pathlib import Path

from service import cores
from service.inference.engine import on_gpu
from service.settings import Settings, SettingsError
from service.supervisor import supervise


def main() -> None:
    """Returns when SIGTERM or SIGINT has ended the service. Exits with 2 for a wrong setting, 1 for a taken port."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"axon: {error}\n")
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="axon-") as home:
        _prepare(Path(home))
        host, port = str(settings.http.host), settings.http.port
        workers = cores.workers(settings.http.workers, on_gpu(settings.inference))
        sys.stderr.write(f"axon: {workers} workers on {host} port {port}\n")
        try:
            supervise(host, port, workers, settings.http.drain_s, home)
        except OSError as error:
            sys.exit(f"axon: cannot listen on {host} port {port}: {error.strerror}")


def _prepare(home: Path) -> None:
    """The environment that workers inherit."""
    counts = home / "metrics"
    counts.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    os.environ.setdefault("BENTOML_HOME", str(home))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's: the cores belong to the workers
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"


if __name__ == "__main__":
    main()
