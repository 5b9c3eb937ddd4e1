"""The HTTP contract: which addresses there are, and that every refusal has the same shape.

The body is read by us and not by FastAPI: it is bounded while it arrives, never unpacked, and parsed strictly
(`oracle.serving.body`). What blocks (our store, the registry) runs on a worker thread. In service `oracle.serving.door`
stands in front and answers cards the short way, to the same effect. Knows no Ray.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from oracle import __version__
from oracle.errors import OracleError
from oracle.serving import lineage, outcomes
from oracle.serving.body import Problem
from oracle.serving.caller import read_caller
from oracle.serving.gateway import Gateway
from oracle.serving.health import CALLER, BriefHealthMessage, HealthCaller, HealthMessage, brief, health_of
from oracle.serving.incoming import read_body
from oracle.serving.keeping import all_in, need_store
from oracle.serving.messages import CardMessage, ExplainedMessage, PredictionMessage, RefusalMessage
from oracle.serving.query import PARAMETERS, read_query
from oracle.serving.refusals import SEE_DOCS, NoSuchPrediction, refusal, refuse, unforeseen
from oracle.serving.version import ModelsMessage
from oracle.settings import CheckPolicy

READ_BY_US: tuple[type[BaseModel], ...] = (CardMessage, *outcomes.MESSAGES)
"""Bodies that FastAPI does not read."""

_OFFLINE = """<noscript>Your browser runs no scripts: read <a href="/openapi.json">/openapi.json</a>.</noscript>
<p id="offline" hidden>The page's script could not be fetched (no internet?): read
<a href="/openapi.json">/openapi.json</a>, or docs/api.md in the repository.</p>
<script>if (!window.SwaggerUIBundle) document.getElementById("offline").hidden = false;</script></body>"""


def build(gateway: Gateway, *, max_body_bytes: int, policy: CheckPolicy | None = None) -> FastAPI:
    """Return the HTTP application that answers with `gateway`.

    Args:
        gateway: What answers.
        max_body_bytes: A larger request body is refused with 413 while it arrives.
        policy: What is possible in a result; the built-in limits by default.
    """
    app = FastAPI(
        title="Equine Oracle",
        version=__version__,
        description="Ranked, calibrated win and place probabilities of a race card.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    answer_errors(app)
    _add_routes(app, gateway, max_body_bytes)
    outcomes.routes(
        app,
        gateway.store,
        body=whole_body,
        max_body_bytes=max_body_bytes,
        policy=policy,
        now=gateway.now,
        before=gateway.settled,
        after=gateway.catch_up,
        ready=lambda: need_store(gateway.commit),
        certain=lambda: all_in(gateway.commit),
    )
    lineage.routes(app, gateway.store)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
    return app


def _add_routes(app: FastAPI, gateway: Gateway, max_body_bytes: int) -> None:
    refusals: dict[int | str, dict[str, Any]] = {422: _refusal("The card is malformed; every reason is listed.")}

    @app.post(
        "/v1/predict",
        summary="Rank a race card",
        response_model=PredictionMessage | ExplainedMessage,
        responses=refusals
        | {413: _refusal("The body is too large."), 503: _refusal("There is no model, or no store.")},
        openapi_extra={
            "requestBody": {"required": True, "content": _json_of("CardMessage")},
            "parameters": list(PARAMETERS),
        },
    )
    async def predict(request: Request) -> Response:
        """Price every runner of a race card.

        Unknown horses, missing values and withdrawn runners are fine. A card on which any starter lacks odds is
        answered by the form ensemble, and says so. With `?explain=true` each runner has the features that made its
        score, and what each added.
        """
        query = read_query(request.scope["query_string"])
        body = await whole_body(request, max_body_bytes)
        caller = read_caller(request.scope["headers"], gateway.kit.pseudonym)
        told = await gateway.respond(body, query, request.scope["query_string"], caller)
        return Response(told, media_type="application/json")

    @app.get(
        "/v1/predictions/{prediction_id}",
        summary="Read an earlier answer",
        response_model=PredictionMessage | ExplainedMessage,
        responses={404: _refusal("No such prediction.")},
    )
    async def prediction(prediction_id: str) -> Response:
        """Return an earlier answer, exactly as it was given."""
        found = await run_in_threadpool(gateway.prediction, prediction_id[:64])
        if found is None:
            raise NoSuchPrediction("there is no prediction of that id", next_step="use a prediction_id of an answer")
        return Response(found, media_type="application/json")

    @app.get(
        "/v1/health",
        summary="Is it well?",
        response_model=HealthMessage | BriefHealthMessage,
        responses={503: {"model": HealthMessage | BriefHealthMessage}},
    )
    async def health(request: Request) -> Response:
        """Say ok, or degraded and why; 503 where no model is loaded. Who shows no admin token is told that alone."""
        caller: HealthCaller = request.scope.get(CALLER, HealthCaller())
        found = await run_in_threadpool(health_of, gateway, caller.access)
        told = found if caller.trusted else brief(found)
        return Response(told.model_dump_json(), 200 if found.model else 503, media_type="application/json")

    @app.get("/v1/models", summary="Versions and aliases", response_model=ModelsMessage)
    async def models() -> Response:
        """List the versions of the model, their aliases, and which one answers here."""
        found = await run_in_threadpool(gateway.source.listing)
        return Response(
            found.model_copy(update={"serving": gateway.model}).model_dump_json(), media_type="application/json"
        )

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        page = bytes(get_swagger_ui_html(openapi_url="/openapi.json", title="Equine Oracle").body).decode()
        return HTMLResponse(page.replace("</body>", _OFFLINE))


async def whole_body(request: Request, limit: int) -> bytes:
    """Return the body of a request, up to so many bytes."""
    return await read_body(request.scope["headers"], request.receive, limit)


def answer_errors(app: FastAPI) -> None:
    """Give every refusal of an app the one shape."""

    @app.exception_handler(OracleError)
    async def ours(_: Request, error: OracleError) -> JSONResponse:
        return refusal(error)

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        value = f"{request.method} {request.url.path}"[:160]
        problem = Problem("HttpError", str(error.detail), value=value, next_step=SEE_DOCS)
        return refuse(error.status_code, [problem], headers=dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def of_fastapi(_: Request, error: RequestValidationError) -> JSONResponse:
        return refuse(422, [Problem("BadRequest", str(each["msg"]), next_step=SEE_DOCS) for each in error.errors()])

    @app.exception_handler(Exception)
    async def others(_: Request, error: Exception) -> JSONResponse:
        return unforeseen(error)


def _refusal(description: str) -> dict[str, Any]:
    return {"model": RefusalMessage, "description": description}


def _json_of(message: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{message}"}}}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document with the schemas of bodies, which FastAPI misses since it does not read them."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        place = "#/components/schemas/{model}"
        _, sent = models_json_schema([(each, "validation") for each in READ_BY_US], ref_template=place)
        document["components"]["schemas"] |= sent["$defs"]
        app.openapi_schema = document
    return app.openapi_schema
