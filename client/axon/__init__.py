"""Asks an Axon server over the binary Open Inference door: `Client`, `AsyncClient`, and the command `axon`."""

from axon.aio import AsyncClient
from axon.client import Client
from axon.exchange import ServerError, Unreachable
from axon.readings import Reading
from axon.retry import Policy

__all__ = ["AsyncClient", "Client", "Policy", "Reading", "ServerError", "Unreachable"]
