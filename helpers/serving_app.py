"""The web application of the model server: routes, limits, refusals with a reason, health.

Every refusal is JSON, `{"error": "..."}`, with a status of the 400s, or 503 and 504 for a server
that is too busy or too slow. Built in view in chapter 27.
"""

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from helpers.serving_models import Router, ServingError, Version
from helpers.serving_protocol import (
    BadRequest,
    read_predict,
    write_metadata,
    write_predict,
    write_status,
)

PAGE = Path(__file__).resolve().parents[1] / "data" / "deployment" / "page.html"
_TENSOR = {"description": "numbers, nested lists as deep as the model's input"}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "signature_name": {"type": "string", "const": "serving_default"},
                    "instances": {"type": "array", "minItems": 1, "items": _TENSOR},
                    "inputs": {"type": "array", "minItems": 1, "items": _TENSOR},
                },
                "oneOf": [{"required": ["instances"]}, {"required": ["inputs"]}],
            }
        }
    },
}


class Service:
    """The models of a server and its limits; `carry_out` changes them while requests come in."""

    def __init__(self, limits: Any):
        self.limits, self.routers, self.lock = limits, {}, threading.Lock()

    def router(self, name: str) -> Router:
        """The versions of the model `name`; raises `BadRequest` 404 for an unknown one."""
        if name not in self.routers:
            raise BadRequest(404, f"There is no model {name[:40]!r} here.")
        return self.routers[name]

    def carry_out(self, order: dict[str, Any]) -> None:
        """Loads, promotes or tries out a version; see `helpers.serving.Server.order`."""
        action, name, number = order["action"], order["model"], order["version"]
        if action == "load":
            router = self.routers.get(name) or Router()
            if number in router.versions:
                raise ServingError(f"Version {number} of {name} is loaded already; count up.")
            one = self.limits
            # The slow part happens here, in the thread of the orders, while the others serve.
            version = Version(number, order["source"], one.batch, one.batch_delay_ms, one.queue)
            with self.lock:
                router.versions[number] = version
                self.routers[name] = router
            return
        if action not in ("promote", "canary") or name not in self.routers:
            raise ServingError(f"The order {action!r} for {name!r} cannot be carried out.")
        with self.lock:
            if action == "canary":
                self.routers[name].try_out(number, order["share"])
                return
            old = self.routers[name].promote(number)
        for version in old:  # No new request reaches them; those that wait are answered.
            version.retire()

    def submit(self, name: str, number: int | None, user: str, body: bytes):
        """The futures of a predict request, whether it came as rows, and the version's number."""
        with self.lock:  # Choosing and handing over are one step: no version retires in between.
            version: Version = self.router(name).choose(user, number)
            examples, rows = read_predict(body, version.signature, self.limits.rows)
            return version.submit(examples), rows, version.number


async def _together(futures: list[Future], seconds: float) -> np.ndarray:
    """The results of `futures` in order; raises `BadRequest` 504 when they take too long."""
    loop, left = asyncio.get_running_loop(), [len(futures)]
    done, guard = loop.create_future(), threading.Lock()

    def note(_: Future) -> None:
        with guard:
            left[0] -= 1
            last = left[0] == 0
        if last and not loop.is_closed():
            loop.call_soon_threadsafe(lambda: done.done() or done.set_result(None))

    for future in futures:
        future.add_done_callback(note)
    try:
        await asyncio.wait_for(done, seconds)
    except TimeoutError as error:
        for future in futures:
            future.cancel()
        raise BadRequest(504, f"The model took longer than {seconds:g} seconds.") from error
    return np.stack([future.result() for future in futures])


async def _body(request: Any, limits: Any) -> bytes:
    """The body of a request, never more of it in memory than the limit."""
    try:
        announced = int(request.headers.get("content-length") or 0)
    except ValueError as error:
        raise BadRequest(400, "The header Content-Length is no number.") from error
    refusal = BadRequest(413, f"The body is larger than {limits.body_bytes} bytes; send less.")
    if announced > limits.body_bytes:
        raise refusal
    parts, size = [], 0

    async def read() -> None:
        nonlocal size
        async for part in request.stream():
            size += len(part)
            if size > limits.body_bytes:
                raise refusal
            parts.append(part)

    try:
        await asyncio.wait_for(read(), limits.seconds)
    except TimeoutError as error:
        raise BadRequest(408, f"The body took longer than {limits.seconds:g} seconds.") from error
    return b"".join(parts)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise BadRequest(400, "A version is a whole number of at most nine digits.")
    return int(text)


def make_app(service: Service):
    """The FastAPI application that answers for `service`."""
    from fastapi import FastAPI, Request
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.exceptions import HTTPException

    app = FastAPI(title="Model server", docs_url=None, redoc_url=None)
    refusals = {code: {"description": "refused, with a reason"} for code in (400, 404, 413)}

    @app.exception_handler(BadRequest)
    async def refused(_: Request, problem: BadRequest):
        # What a client sent may stand in the reason: the answer is ASCII whatever it was.
        reason = str(problem).encode("ascii", "backslashreplace").decode()
        headers = {"Retry-After": "1"} if problem.status == 503 else {}
        return JSONResponse({"error": reason}, problem.status, headers)

    @app.exception_handler(HTTPException)
    async def not_routed(_: Request, problem: HTTPException):
        return JSONResponse({"error": str(problem.detail)}, problem.status_code, problem.headers)

    async def predict(name: str, version: str | None, request: Request):
        number = None if version is None else _number(version)
        service.router(name)  # An unknown model is refused before its body is read.
        body = await _body(request, service.limits)
        user = request.headers.get("x-user", "")
        futures, rows, used = service.submit(name, number, user, body)
        outputs = await _together(futures, service.limits.seconds)
        return JSONResponse(write_predict(outputs, rows), headers={"X-Model-Version": str(used)})

    extra = {"openapi_extra": {"requestBody": _BODY}, "responses": refusals}

    @app.post("/v1/models/{name}:predict", **extra)
    async def predict_newest(name: str, request: Request):
        return await predict(name, None, request)

    @app.post("/v1/models/{name}/versions/{version}:predict", **extra)
    async def predict_version(name: str, version: str, request: Request):
        return await predict(name, version, request)

    @app.get("/v1/models/{name}/metadata", responses=refusals)
    async def metadata(name: str):
        used = service.router(name).choose("")
        return JSONResponse(write_metadata(name, used.number, used.signature))

    @app.get("/v1/models/{name}/versions/{version}", responses=refusals)
    async def version_status(name: str, version: str):
        used = service.router(name).choose("", _number(version))
        return JSONResponse(write_status({used.number: used.state}))

    @app.get("/v1/models/{name}", responses=refusals)
    async def status(name: str):
        with service.lock:
            versions = service.router(name).versions
            states = {number: one.state for number, one in versions.items()}
        return JSONResponse(write_status(states))

    @app.get("/healthz")
    async def alive():
        return JSONResponse({"status": "alive"})

    @app.get("/readyz")
    async def ready():
        there = bool(service.routers) and all(one.stable for one in service.routers.values())
        return JSONResponse({"status": "ready" if there else "loading"}, 200 if there else 503)

    @app.get("/", include_in_schema=False)
    async def page():
        return HTMLResponse(PAGE.read_text(encoding="utf-8"))

    return app
