"""The peer `fastapi`: sse-starlette on FastAPI, with a queue for each subscriber, as its examples do."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from fastapi import FastAPI
from pydantic import BaseModel
from sse_starlette import EventSourceResponse

app = FastAPI(openapi_url=None)

topics: dict[str, set[asyncio.Queue[str]]] = defaultdict(set)


class Update(BaseModel):
    topic: str
    data: str


@app.get("/events")
async def subscribe(topic: str) -> EventSourceResponse:
    queue: asyncio.Queue[str] = asyncio.Queue()
    topics[topic].add(queue)

    async def events() -> AsyncIterator[dict[str, str]]:
        try:
            while True:
                yield {"data": await queue.get()}
        finally:
            topics[topic].discard(queue)
            if not topics[topic]:
                del topics[topic]

    return EventSourceResponse(events(), ping=15)


@app.post("/events", status_code=204)
async def publish(update: Update) -> None:
    for queue in topics.get(update.topic, ()):
        queue.put_nowait(update.data)
