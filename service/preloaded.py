"""What all workers have in common, imported once, before they are forked: no threads, no metrics, no settings."""

import gc

import _bentoml_impl.server.app
import PIL.Image
import uvloop
from uvicorn.protocols.http import httptools_impl

import service.doors.intake
import service.imaging
import service.schemas

__all__ = ["PIL", "_bentoml_impl", "httptools_impl", "service", "uvloop"]

gc.collect()
gc.freeze()  # a collection would write to every object, and so copy what is shared
