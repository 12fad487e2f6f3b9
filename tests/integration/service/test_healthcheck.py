import socket

from service.healthcheck import is_ready
from service.settings import Http
from tests.servers import Server, free_port


def test_a_ready_service_is_healthy(server: Server) -> None:
    assert is_ready(Http(port=server.port))
    assert is_ready(Http(host="127.0.0.1", port=server.port))


def test_nobody_there_is_not_healthy() -> None:
    assert not is_ready(Http(port=free_port()))


def test_somebody_who_does_not_speak_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not is_ready(Http(host="127.0.0.1", port=silent.getsockname()[1]))
