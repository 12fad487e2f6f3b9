"""Everything that can go wrong with a request, each with its HTTP status and its code; one renderer for all of them.

    AxonError
    ├── InvalidInput         400 invalid_input       malformed: not JSON, wrong shape, value out of range
    │   └── InvalidImage     400 invalid_image       a picture that is truncated or corrupt
    ├── Unauthorized         401 unauthorized        no key, or one that nobody has; with WWW-Authenticate
    ├── Forbidden            403 forbidden           a key that does not open this, or a caller who may not
    ├── UnknownRoute         404 unknown_route
    ├── UnknownModel         404 unknown_model       no such model, gate or version
    ├── MethodNotAllowed     405 method_not_allowed
    ├── TooLarge             413 too_large           too many bytes, pixels or images
    ├── NotAnImage           415 not_an_image        bytes or a media type that no picture has
    ├── UnusableInput        422 unusable_input      well formed, but nothing can be done with it
    ├── Overloaded           429 overloaded          with Retry-After
    ├── InternalError        500 internal_error      the cause goes to the log, never into the answer
    ├── NotReady             503 not_ready           with Retry-After: model failed or loading, or draining
    └── DeadlineExceeded     504 deadline_exceeded

Call sites raise; they write no status. `error` in the body is a sentence: what is wrong, what was got, what is allowed.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

JSON = "application/json"
CLIENT_LEFT = "the client left"  # the word with which a request is cancelled that nobody waits for any more
MOST_CHARACTERS = 500  # of a message: what a client sent is quoted in it, but never megabytes of it


class AxonError(Exception):
    """An error with a public message. `detail` holds machine-readable particulars."""

    status: int = 500
    code: str = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        detail: Sequence[Any] = (),
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message if len(message) <= MOST_CHARACTERS else message[:MOST_CHARACTERS] + "…"
        self.detail = list(detail)
        self.retry_after_s = retry_after_s
        self._headers = dict(headers or {})

    def headers(self) -> dict[str, str]:
        """Headers that belong to the error; Retry-After, in whole seconds and at least one, where waiting helps."""
        if self.retry_after_s is None:
            return self._headers
        return {**self._headers, "retry-after": str(max(1, math.ceil(self.retry_after_s)))}

    def body(self, request_id: str) -> bytes:
        """The one error shape, as JSON."""
        return orjson.dumps({"error": self.message, "code": self.code, "detail": self.detail, "request_id": request_id})


class InvalidInput(AxonError):
    status, code = 400, "invalid_input"


class InvalidImage(InvalidInput):
    code = "invalid_image"


class Unauthorized(AxonError):
    status, code = 401, "unauthorized"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "www-authenticate": "Bearer"}  # RFC 9110, section 11.6.1: a 401 must say how


class Forbidden(AxonError):
    status, code = 403, "forbidden"


class UnknownRoute(AxonError):
    status, code = 404, "unknown_route"


class UnknownModel(AxonError):
    status, code = 404, "unknown_model"


class MethodNotAllowed(AxonError):
    status, code = 405, "method_not_allowed"


class TooLarge(AxonError):
    status, code = 413, "too_large"


class NotAnImage(AxonError):
    status, code = 415, "not_an_image"


class UnusableInput(AxonError):
    status, code = 422, "unusable_input"


class Overloaded(AxonError):
    status, code = 429, "overloaded"


class InternalError(AxonError):
    """What went wrong inside; its message is fixed, so that nothing leaks."""

    def __init__(self) -> None:
        super().__init__("something went wrong on our side; the server's log has the cause under this request_id")


class NotReady(AxonError):
    status, code = 503, "not_ready"


class DeadlineExceeded(AxonError):
    status, code = 504, "deadline_exceeded"


ERRORS: tuple[type[AxonError], ...] = (
    InvalidInput,
    InvalidImage,
    Unauthorized,
    Forbidden,
    UnknownRoute,
    UnknownModel,
    MethodNotAllowed,
    TooLarge,
    NotAnImage,
    UnusableInput,
    Overloaded,
    InternalError,
    NotReady,
    DeadlineExceeded,
)


class ForeignError(AxonError):
    """An error that another layer answered with (BentoML, Starlette), on its way into the one shape."""

    def __init__(self, status: int, message: str, *, detail: Sequence[Any] = ()) -> None:
        super().__init__(message, detail=detail)
        self.status = status
        self.code = _CODES.get(status, InvalidInput.code if status < 500 else AxonError.code)


_CODES = {error.status: error.code for error in reversed(ERRORS)}
