"""/v1/models: what is published, in which state, with its manifest and card."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from models.bundle import CARD
from service.doors.rest.exchange import Answer, answer, parse_query, version
from service.inference.catalog import Catalog, Entry
from service.inference.rollout import Rollout


class Published:
    """The handlers of the models' routes."""

    def __init__(self, catalog: Catalog, rollout: Rollout) -> None:
        self._catalog = catalog
        self._rollout = rollout

    async def every(self, request: Request) -> Answer:
        """Each version with its state; one that failed to load, with the reason."""
        parse_query(request, {})
        models = [listing(entry, self._rollout) for entry in self._catalog.entries()]
        return answer({"models": models, "request_id": request.state.request_id})

    async def describe(self, request: Request) -> Answer:
        """One version with its manifest; null for one that failed to load."""
        entry = self._entry(request)
        manifest = entry.model.bundle.manifest.model_dump(mode="json", exclude_unset=True) if entry.model else None
        return answer(listing(entry, self._rollout) | {"manifest": manifest, "request_id": request.state.request_id})

    async def card(self, request: Request) -> Response:
        """The model card, as Markdown."""
        model = self._catalog.serving(self._entry(request))
        return Response(model.bundle.files[CARD], media_type="text/markdown")

    def _entry(self, request: Request) -> Entry:
        options = parse_query(request, {"version": version})
        return self._catalog.entry(request.path_params["name"], **options)


def listing(entry: Entry, rollout: Rollout) -> dict[str, Any]:
    """A version as the door shows it."""
    model = entry.model
    return {
        "name": entry.name,
        "version": entry.version,
        "state": entry.state,
        "default": entry.is_default,
        "reason": entry.reason,
        "sha256": model.bundle.sha256 if model else None,
        "platform": model.platform if model else None,
        **rollout.standing(entry.name, entry.version)._asdict(),
    }
