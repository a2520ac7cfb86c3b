"""A FastAPI app that leaves its event streams to a hub: it publishes from its handlers, and lets browsers in."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import Cookie, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, StringConstraints
from starlette.exceptions import HTTPException

import hub

PORT = int(os.environ.get("PORT", "8000"))
MAX_BODY_BYTES = 1024 * 1024
MAX_SESSIONS = 10_000
MAX_WAITING_MESSAGES = 256
TOKEN_SECONDS = 60 * 60
PAGE = Path(__file__).parent / "public" / "index.html"

UserName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,64}$")]


class Login(BaseModel):
    user: UserName


class Message(BaseModel):
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


# The session cookie's value -> the user. The oldest goes when there are too many.
sessions: dict[str, str] = {}
# What the open streams of the plain endpoint have still to send. None ends a stream.
clients: set[asyncio.Queue[str | None]] = set()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    async with hub.client:
        yield


app = FastAPI(lifespan=lifespan, max_body_size=MAX_BODY_BYTES)


@app.get("/")
async def page() -> FileResponse:
    return FileResponse(PAGE)


@app.post("/login", status_code=204)
async def login(body: Login, response: Response) -> None:
    session = secrets.token_urlsafe()
    sessions[session] = body.user
    if len(sessions) > MAX_SESSIONS:
        del sessions[next(iter(sessions))]
    response.set_cookie("session", session, httponly=True, samesite="lax")


@app.post("/hub-token")
async def hub_token(response: Response, session: Annotated[str, Cookie()] = "") -> dict:
    user = sessions.get(session)
    if user is None:
        raise HTTPException(401, "log in first")
    token = hub.subscriber_token(user, TOKEN_SECONDS)
    response.set_cookie(
        "mercureAuthorization", token,
        max_age=TOKEN_SECONDS, path="/.well-known/mercure", httponly=True, samesite="strict",
    )  # fmt: skip
    return {"hub": hub.URL, "topics": ["news", f"users/{user}"], "token": token}


@app.post("/messages")
async def send_message(message: Message) -> dict:
    send_to_clients(message.model_dump_json())
    return {"id": await hub.publish({"topic": "news", "data": message.model_dump()})}


# As a path, a name with a slash comes here too, and is refused as a bad name.
@app.post("/users/{user:path}/notifications")
async def notify(user: UserName, message: Message) -> dict:
    update = {"topic": f"users/{user}", "type": "notification", "data": message.model_dump(), "private": True}
    return {"id": await hub.publish(update)}


@app.get("/api/events")
async def plain_events() -> StreamingResponse:
    """A stream without a hub, as tutorials write it: what a client misses while it is away is lost."""

    async def stream() -> AsyncIterator[str]:
        queue: asyncio.Queue[str | None] = asyncio.Queue(MAX_WAITING_MESSAGES)
        clients.add(queue)
        try:
            while (data := await queue.get()) is not None:
                yield f"data: {data}\n\n"
        finally:
            clients.remove(queue)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


def send_to_clients(data: str | None) -> None:
    for queue in clients:
        if not queue.full():  # a client that is this far behind misses what does not fit
            queue.put_nowait(data)


@app.exception_handler(RequestValidationError)
async def bad_request(_request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{where}: {first['msg']}"}, 400)


@app.exception_handler(HTTPException)
async def refused(_request: Request, error: HTTPException) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code)


@app.exception_handler(hub.HubError)
async def hub_failed(_request: Request, error: hub.HubError) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 502)


class Server(uvicorn.Server):
    async def startup(self, sockets: list | None = None) -> None:
        await super().startup(sockets)
        print(f"listening on http://127.0.0.1:{PORT}", flush=True)

    async def shutdown(self, sockets: list | None = None) -> None:
        send_to_clients(None)  # the server waits for open streams, which do not end by themselves
        await super().shutdown(sockets)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        Server(uvicorn.Config(app, port=PORT, log_level="warning", timeout_graceful_shutdown=1)).run()
