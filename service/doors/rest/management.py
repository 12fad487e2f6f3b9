"""What operators change about models while they serve: which version answers who names none."""

from starlette.requests import Request

from service.doors import body, intake
from service.doors.rest.exchange import Answer, answer, parse_query
from service.doors.rest.published import listing
from service.errors import InvalidInput
from service.inference.catalog import Catalog
from service.inference.management import Management
from service.inference.rollout import Rollout
from service.schemas import MOST_VERSION
from service.settings import Settings

MOST_BYTES = 1_000  # of a body that holds one number


class Managed:
    """The handlers of the operators' routes of a model. All of them answer when every worker serves as was asked."""

    def __init__(self, management: Management, catalog: Catalog, rollout: Rollout, settings: Settings) -> None:
        self._management = management
        self._catalog = catalog
        self._rollout = rollout
        self._timeout_ms = settings.http.timeout_ms

    async def pin(self, request: Request) -> Answer:
        """PUT makes the version in the body the default, DELETE the newest one that is ready."""
        parse_query(request, {})
        name = request.path_params["name"]
        if request.method == "DELETE":
            await self._management.unpin(name)
        else:
            await self._management.pin(name, await self._version(request))
        return self._listing(request)

    async def roll_back(self, request: Request) -> Answer:
        """Pins the version before the one that serves."""
        parse_query(request, {})
        await self._management.roll_back(request.path_params["name"])
        return self._listing(request)

    async def _version(self, request: Request) -> int:
        deadline = body.deadline_of(request.scope, self._timeout_ms)
        receive = body.BoundedReceive(request.receive, MOST_BYTES)
        document = intake.parse_json(await body.read_bytes(request.scope, receive, deadline))
        version = intake.member(document, "version")
        if type(version) not in (int, float) or not 1 <= version <= MOST_VERSION or version % 1:  # in JSON 1.0 is whole
            raise InvalidInput(f"version must be a whole number from 1 to {MOST_VERSION}, got {intake.show(version)}")
        return int(version)

    def _listing(self, request: Request) -> Answer:
        """The model's versions as they are now."""
        name = request.path_params["name"]
        models = [listing(entry, self._rollout) for entry in self._catalog.entries() if entry.name == name]
        return answer({"models": models, "request_id": request.state.request_id})
