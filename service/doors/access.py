"""Who may ask for what: keys, and who may manage models where there is none.

Knows the head of a request, that is its method, path and headers, and the hashes of the keys that open it. It does not
know what a route does: the tables below say which need no key, and which change the service.
"""

import re
from enum import IntEnum
from hmac import compare_digest
from ipaddress import IPv4Address, IPv6Address, ip_address

from starlette.types import Scope

from service import keys, settings
from service.doors.body import header
from service.errors import Forbidden, Unauthorized

READS = {"GET", "HEAD"}
# Read without a key: health and metrics, for whom nobody gave one; the page and the list of routes, which ask for it.
OPEN = {
    "/livez", "/readyz", "/healthz", "/metrics", "/v2/health/live", "/v2/health/ready",
    "/", "/ui", "/docs", "/openapi.json",
}  # fmt: skip
OPEN_PATTERN = re.compile(r"/ui/[^/]*|/v2/models/[^/]+(/versions/[^/]+)?/ready")
# Whatever is not a read below these changes the service, also what a later version may add there.
MANAGED = ("/v1/models/", "/v2/repository/models/")

KEY_HEADERS = {b"authorization", b"x-api-key"}
MOST_KEY_BYTES = 256  # of what is presented; longer ones are no keys, and not worth hashing
OWN_SITE = {"", "same-origin", "none"}  # Sec-Fetch-Site; a page on another port of this host is "same-site"
FORWARDED = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}


class Right(IntEnum):
    """What a key opens; each includes those before."""

    NOTHING = 0
    USE = 1
    MANAGE = 2


class Access:
    """The rule for every request. One with several keys has the right of the best."""

    def __init__(self, known: settings.Access, host: IPv4Address | IPv6Address) -> None:
        self._takes_keys = bool(known.keys)
        self._is_managed_by_key = bool(known.management_keys)
        self._is_local = host.is_loopback
        self._rights = [(_digest(text), int(Right.USE)) for text in known.keys.values()]
        self._rights += [(_digest(text), int(Right.MANAGE)) for text in known.management_keys.values()]

    def check(self, scope: Scope) -> None:
        """Passes, or raises Unauthorized (no key that is known) or Forbidden (it does not open this)."""
        if scope["path"].startswith(MANAGED) and scope["method"] not in READS:
            self._check_manager(scope)
        elif self._takes_keys and not self._right(scope) and not is_open(scope):
            raise _unauthorized(scope)

    def _check_manager(self, scope: Scope) -> None:
        right = self._right(scope)
        if self._rights and not right:
            raise _unauthorized(scope)
        if right == Right.MANAGE:
            return
        if self._is_managed_by_key:
            raise Forbidden("this key opens the models, but does not manage them: that takes a management key")
        if not self._is_local:
            raise Forbidden(
                "models are managed with a management key, and this service has none; "
                "without one, only a service that listens on a loopback address is managed"
            )
        if not is_from_here(scope):
            raise Forbidden(
                "without a management key, models are managed from this host alone: not from a page of another origin, "
                "not by another name than localhost, not through a proxy"
            )

    def _right(self, scope: Scope) -> int:
        """Compares each key with each hash, whatever was found before, so that the time tells nothing."""
        best = 0
        for key in presented_keys(scope):
            presented = keys.digest(key)
            best = max([best, *[right * compare_digest(known, presented) for known, right in self._rights]])
        return best


def _digest(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix(keys.SCHEME))


def presented_keys(scope: Scope) -> list[bytes]:
    """The key in the first `Authorization: Bearer` and the one in the first `X-API-Key`, as far as there are any."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in KEY_HEADERS:
            found.setdefault(name, value.strip())
    scheme, _, token = found.pop(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        found[b"authorization"] = token.strip()
    return [key for key in found.values() if 0 < len(key) <= MOST_KEY_BYTES]


def is_open(scope: Scope) -> bool:
    """Whether anybody may read this."""
    path = scope["path"]
    return scope["method"] in READS and (path in OPEN or OPEN_PATTERN.fullmatch(path) is not None)


def is_from_here(scope: Scope) -> bool:
    """Whether a request comes from a program on this host, or from a page of this very service.

    Any page may POST to localhost, and browsers then name its origin. A page whose own name was made to lead here (DNS
    rebinding) has the right origin, but not a name of this host. A proxy on this host may forward for anybody.
    """
    host, origin = header(scope, b"host"), header(scope, b"origin")
    client = scope.get("client") or ("", 0)
    return (
        _is_loopback(client[0])  # `bentoml serve --host` may listen elsewhere than the settings say
        and _is_named_here(host)
        and (not origin or origin.partition("://")[2] == host)
        and header(scope, b"sec-fetch-site") in OWN_SITE
        and not any(name in FORWARDED for name, _ in scope["headers"])
    )


def _is_named_here(host: str) -> bool:
    """Of a Host header: localhost or a loopback address, with or without a port."""
    name = host.rpartition("]")[0].removeprefix("[") or host.partition(":")[0]
    return name.lower() == "localhost" or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _unauthorized(scope: Scope) -> Unauthorized:
    got = "one that is not known" if presented_keys(scope) else "none"
    return Unauthorized(f"this takes a key, as `Authorization: Bearer <key>` or `X-API-Key: <key>`; got {got}")
