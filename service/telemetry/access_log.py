"""Logs as JSON lines on standard error, written by a thread of their own so that no request waits for a pipe."""

import contextlib
import logging
import queue
import random
import sys
import time
from logging.handlers import QueueHandler, QueueListener

import orjson
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError

from service.errors import InternalError
from service.settings import Log

LOGGERS = {"axon": None, "service": None, "bentoml": logging.WARNING, "uvicorn": logging.WARNING}  # None: as is set
MOST_WAITING = 10_000  # records; a blocked pipe must not fill the memory
BENTO_FAILURES = "bentoml._internal.server.http_app"  # writes a traceback for every refused request of the Bento door
_access = logging.getLogger("axon.access")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, and what the record carries in `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _WholeRecords(QueueHandler):
    """Hands records over unformatted, for the listener's thread to format; drops them where that cannot keep up."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def start(settings: Log) -> QueueListener:
    """Routes Axon's loggers through a queue to standard error. The caller stops the listener."""
    writer = logging.StreamHandler(sys.stderr)
    writer.setFormatter(JsonLines())
    records: queue.Queue[logging.LogRecord] = queue.Queue(MOST_WAITING)
    for name, level in LOGGERS.items():
        logger = logging.getLogger(name)
        logger.setLevel(level or settings.level)
        logger.handlers = [_WholeRecords(records)]
        logger.propagate = False
    logging.getLogger(BENTO_FAILURES).addFilter(_is_ours)
    listener = QueueListener(records, writer)
    listener.start()
    return listener


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failure that BentoML logs is the service's; a client's would bring its body into the log."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BentoMLException):
        return int(error.error_code) >= InternalError.status
    return not isinstance(error, ValidationError)


class AccessLog:
    """Logs a sample of the answered requests, and as an error every one that failed for a cause of our own (500)."""

    def __init__(self, sample: float) -> None:
        self._sample = sample

    def wants(self, status: int) -> bool:
        """Whether a request with this status is to be logged."""
        return status == InternalError.status or random.random() < self._sample

    def record(self, status: int, **fields: object) -> None:
        """Writes one line."""
        level = logging.ERROR if status == InternalError.status else logging.INFO
        _access.log(level, "request", extra={"fields": {"status": status, **fields}})
