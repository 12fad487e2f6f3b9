from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import pytest

from service import keys, settings
from service.doors.access import MOST_KEY_BYTES, Access, is_from_here, presented_keys
from service.errors import Forbidden, Unauthorized

PHONE, ROBOT, BOSS, STRANGER = (keys.make() for _ in range(4))
LOAD = "/v2/repository/models/cnn/load"
NO_KEY: dict[str, str] = {}
LOCAL = {"host": "localhost:3000"}


def access(users: Iterable[str] = (), managers: Iterable[str] = (), host: str = "0.0.0.0") -> Access:
    hashed = {
        field: {str(index): keys.hash_line(key) for index, key in enumerate(group)}
        for field, group in (("keys", users), ("management_keys", managers))
    }
    return Access(settings.Access(**hashed), ip_address(host))


def head(path: str = "/v1/digits", method: str = "POST", headers: dict[str, str] = NO_KEY) -> dict[str, Any]:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "path": path, "method": method, "headers": raw, "client": ("127.0.0.1", 50_000)}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def verdict(access: Access, path: str = "/v1/digits", method: str = "POST", headers: dict[str, str] = NO_KEY) -> int:
    try:
        access.check(head(path, method, headers))
    except (Unauthorized, Forbidden) as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (NO_KEY, 401),
        (bearer(PHONE), 200),
        (bearer(ROBOT), 200),
        (bearer(BOSS), 200),
        ({"x-api-key": PHONE}, 200),
        (bearer(STRANGER), 401),
        ({"x-api-key": STRANGER}, 401),
        ({"authorization": f"bearer   {PHONE}  "}, 200),
        ({"authorization": PHONE}, 401),
        ({"authorization": f"Basic {PHONE}"}, 401),
        ({"authorization": f"Basic {STRANGER}", "x-api-key": PHONE}, 200),
        (bearer(STRANGER) | {"x-api-key": PHONE}, 200),
        (bearer(PHONE) | {"x-api-key": STRANGER}, 200),
        (bearer(STRANGER) | {"x-api-key": STRANGER}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": ""}, 401),
        (bearer(PHONE[:-1]), 401),
        (bearer(f"{PHONE}x"), 401),
        (bearer(f"{PHONE} {PHONE}"), 401),
        (bearer(PHONE.upper()), 401),
        (bearer(keys.hash_line(PHONE)), 401),
        (bearer("schlüssel"), 401),
        (bearer("x" * 60_000), 401),
    ],
)
def test_a_door_opens_for_each_key_and_nothing_else(headers: dict[str, str], status: int) -> None:
    assert verdict(access([PHONE, ROBOT], [BOSS]), headers=headers) == status


def test_without_keys_everything_is_open() -> None:
    for headers in (NO_KEY, bearer(STRANGER)):
        assert verdict(access(), headers=headers) == 200
        assert verdict(access(managers=[BOSS]), headers=headers) == 200, "a management key closes management alone"


OPEN = (
    "/livez /readyz /healthz /metrics /v2/health/live /v2/health/ready /v2/models/cnn/ready "
    "/v2/models/cnn/versions/2/ready / /ui /ui/ /ui/page.js /docs /openapi.json"
)
CLOSED = (
    "/v2 /v2/models/cnn /v2/models/ready /v2/models/a/b/ready /v2/models//ready /v2/models/cnn/ready/ /livez/ /LIVEZ "
    "//livez /livez\n /ui/a/b /ui/../v1/models /v1/models /metrics2 * /classify /schema.json "
    "/v2/models/cnn/versions/2/infer/ready /v2/models/cnn/ready\n"
)


@pytest.mark.parametrize("path", OPEN.split(" "))
def test_health_metrics_and_the_page_are_read_without_a_key(path: str) -> None:
    assert [verdict(access([PHONE]), path, method) for method in ("GET", "HEAD")] == [200, 200]
    assert [verdict(access([PHONE]), path, method) for method in ("POST", "PUT", "OPTIONS")] == [401] * 3


@pytest.mark.parametrize("path", ["", *CLOSED.split(" ")])
def test_whatever_only_looks_like_it_is_not(path: str) -> None:
    assert verdict(access([PHONE]), path, "GET") == 401


MANAGEMENT = [
    ("POST", LOAD),
    ("POST", "/v2/repository/models/cnn/unload"),
    ("POST", "/v2/repository/models/a/b/unload"),
    ("PUT", "/v1/models/cnn/pin"),
    ("DELETE", "/v1/models/cnn/pin"),
    ("POST", "/v1/models/cnn/rollback"),
    ("BREW", "/v1/models/cnn/what-comes-later"),
]


@pytest.mark.parametrize(("method", "path"), MANAGEMENT)
@pytest.mark.parametrize(
    ("users", "managers", "host", "statuses"),  # of no key, a stranger's, a user's, a manager's
    [
        ([], [], "0.0.0.0", (403, 403, 403, 403)),
        ([], [], "127.0.0.1", (200, 200, 200, 200)),
        ([], [], "::1", (200, 200, 200, 200)),
        ([], [], "192.0.2.7", (403, 403, 403, 403)),
        ([PHONE], [], "0.0.0.0", (401, 401, 403, 401)),
        ([PHONE], [], "127.0.0.1", (401, 401, 200, 401)),
        ([], [BOSS], "127.0.0.1", (401, 401, 401, 200)),
        ([PHONE], [BOSS], "0.0.0.0", (401, 401, 403, 200)),
        ([PHONE], [BOSS], "127.0.0.1", (401, 401, 403, 200)),
    ],
)
def test_who_may_manage(
    method: str, path: str, users: list[str], managers: list[str], host: str, statuses: tuple[int, ...]
) -> None:
    one = access(users, managers, host)
    found = [verdict(one, path, method, LOCAL | headers) for headers in (NO_KEY, *map(bearer, (STRANGER, PHONE, BOSS)))]
    assert tuple(found) == statuses


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/models/cnn"), ("HEAD", "/v1/models/cnn/card"), ("POST", "/v2/repository/index"), ("POST", "/gate")],
)
def test_reading_is_not_managing(method: str, path: str) -> None:
    assert verdict(access(managers=[BOSS]), path, method) == 200
    assert verdict(access([PHONE], [BOSS]), path, method, bearer(PHONE)) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:3000"}, 200),
        ({"host": "LOCALHOST"}, 200),
        ({"host": "127.0.0.1:3000"}, 200),
        ({"host": "[::1]:3000"}, 200),
        ({"host": "localhost:3000", "origin": "http://localhost:3000", "sec-fetch-site": "same-origin"}, 200),
        ({"host": "localhost:3000", "sec-fetch-site": "none"}, 200),
        ({"host": "localhost:3000", "origin": "http://evil.example"}, 403),
        ({"host": "localhost:3000", "origin": "http://localhost:8000"}, 403),
        ({"host": "localhost:3000", "origin": "http://127.0.0.1:3000"}, 403),
        ({"host": "localhost:3000", "origin": "null"}, 403),
        ({"host": "localhost:3000", "sec-fetch-site": "cross-site"}, 403),
        ({"host": "localhost:3000", "sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example:3000", "origin": "http://evil.example:3000", "sec-fetch-site": "same-origin"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "192.0.2.7"}, 403),
        ({"host": ""}, 403),
        (NO_KEY, 403),
        ({"host": "127.0.0.1:3000", "x-forwarded-for": "192.0.2.7"}, 403),
        ({"host": "127.0.0.1:3000", "via": "1.1 proxy"}, 403),
    ],
)
def test_no_page_of_another_origin_manages_a_local_service(headers: dict[str, str], status: int) -> None:
    assert verdict(access(host="127.0.0.1"), LOAD, headers=headers) == status
    assert verdict(access([PHONE], host="127.0.0.1"), LOAD, headers=headers | bearer(PHONE)) == status
    assert verdict(access(managers=[BOSS], host="127.0.0.1"), LOAD, headers=headers | bearer(BOSS)) == 200


@pytest.mark.parametrize(
    ("client", "is_here"),
    [(("127.0.0.1", 1), True), (("::1", 1), True), (("192.0.2.7", 1), False), (("", 0), False), (None, False)],
)
def test_a_local_service_that_is_reached_from_elsewhere_is_not_managed(client: object, is_here: bool) -> None:
    assert is_from_here(head(LOAD, headers=LOCAL) | {"client": client}) is is_here


def test_an_error_says_what_to_do_and_repeats_no_key() -> None:
    with pytest.raises(Unauthorized, match=r"X-API-Key.*got none") as missing:
        access([PHONE]).check(head())
    assert missing.value.headers() == {"www-authenticate": "Bearer"}
    with pytest.raises(Unauthorized, match="got one that is not known") as wrong:
        access([PHONE]).check(head(headers=bearer(STRANGER)))
    with pytest.raises(Forbidden, match="takes a management key") as weak:
        access([PHONE], [BOSS]).check(head(LOAD, headers=bearer(PHONE)))
    for error in (missing, wrong, weak):
        assert not any(key in str(error.value) for key in (PHONE, BOSS, STRANGER))


def test_the_first_header_of_a_name_counts_and_long_ones_are_no_keys() -> None:
    twice = head() | {"headers": [(b"x-api-key", b"first"), (b"x-api-key", b"second")]}
    assert presented_keys(twice) == [b"first"]
    assert presented_keys(head(headers={"x-api-key": "x" * MOST_KEY_BYTES})) != []
    assert presented_keys(head(headers={"x-api-key": "x" * (MOST_KEY_BYTES + 1)})) == []


def test_every_hash_is_compared_wherever_the_right_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(known: bytes, presented: bytes) -> bool:
        compared.append(known)
        return known == presented

    monkeypatch.setattr("service.doors.access.compare_digest", compare)
    one = access([PHONE, ROBOT], [BOSS])
    for key in (PHONE, ROBOT, BOSS, STRANGER):
        compared.clear()
        verdict(one, headers=bearer(key))
        assert compared == [keys.digest(known.encode()) for known in (PHONE, ROBOT, BOSS)]
