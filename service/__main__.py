"""`python -m service`: starts the server with what BentoML must find in its environment, and becomes it.

Each server gets a home of its own for metric files, because two that share one wipe each other's.
"""

import os
import sys
import tempfile

from service.settings import Settings, SettingsError


def main() -> None:
    """Checks the settings, then replaces this process by `bentoml serve`. Exits with 2 where a setting is wrong."""
    try:
        settings = Settings.load()
    except SettingsError as error:
        sys.stderr.write(f"axon: {error}\n")
        sys.exit(2)
    os.environ.setdefault("BENTOML_HOME", tempfile.mkdtemp(prefix="axon-"))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's: the cores belong to the workers
    os.environ["BENTOML_DO_NOT_TRACK"] = "true"
    os.environ.pop("BENTOML_CONTAINERIZED", None)  # with it, a worker that dies is not started again
    command = [sys.executable, "-m", "bentoml", "serve", "service.service:Axon"]
    options = {
        "--host": str(settings.http.host),
        "--port": str(settings.http.port),
        "--timeout-graceful-shutdown": str(settings.http.drain_s),
    }
    os.execv(sys.executable, [*command, *(part for option in options.items() for part in option)])  # noqa: S606


if __name__ == "__main__":
    main()
