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
from service.supervisor import listen, supervise
from service.telemetry import files


def main() -> None:
    """Returns when SIGTERM or SIGINT has ended the service.

    Exits with 2 for a wrong setting, and with 1 for a port that is taken or a disk that is full.
    """
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"axon: {error}\n")
        sys.exit(2)
    with tempfile.TemporaryDirectory(prefix="axon-") as home:
        host, port = str(settings.http.host), settings.http.port
        workers = cores.workers(settings.http.workers, on_gpu(settings.inference))
        try:
            _prepare(Path(home), workers)
        except OSError as error:
            sys.exit(f"axon: no room for metrics in {home}: {error.strerror}")
        try:
            listening = listen(host, port)
        except OSError as error:
            sys.exit(f"axon: cannot listen on {host} port {port}: {error.strerror}")
        sys.stderr.write(f"axon: {workers} workers on {host} port {port}\n")
        supervise(listening, workers, settings.http.drain_s, Path(home))


def _prepare(home: Path, workers: int) -> None:
    """The environment that workers inherit."""
    counts = home / "metrics"
    counts.mkdir()
    files.reserve(counts, workers)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    os.environ.setdefault("BENTOML_HOME", str(home))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's: the cores belong to the workers
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"


if __name__ == "__main__":
    main()
