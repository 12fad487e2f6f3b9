"""`python -m service.healthcheck`: exits with 0 where the service on this host is ready; a container engine asks it."""

import http.client
import sys

from service.settings import Http, Settings

_TIMEOUT_S = 2.0


def is_ready(http_settings: Http) -> bool:
    """Whether /readyz answers 200 within two seconds."""
    host = "localhost" if http_settings.host.is_unspecified else str(http_settings.host)
    connection = http.client.HTTPConnection(host, http_settings.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_ready(Settings.load().http))
