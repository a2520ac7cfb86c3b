"""What this app needs of the hub: publish an update, and a token that lets a browser subscribe as its user."""

import os
import time

import httpx
import jwt

URL = os.environ.get("HUB_URL", "http://127.0.0.1:3000")
KEY = os.environ.get("HUB_KEY", "a secret for development only, 32 bytes+")
PUBLISH_TOKEN_SECONDS = 60

client = httpx.AsyncClient(timeout=5)


class HubError(Exception):
    """The hub did not take an update."""


async def publish(update: dict) -> str:
    """Gives the hub an update, as the JSON that it reads, and returns the id that subscribers see with it."""
    token = _sign(PUBLISH_TOKEN_SECONDS, mercure={"publish": ["*"]})
    try:
        answer = await client.post(
            f"{URL}/.well-known/mercure", json=update, headers={"Authorization": f"Bearer {token}"}
        )
    except httpx.HTTPError as error:
        raise HubError(f"cannot reach the hub at {URL}: {error!r}") from error
    if answer.status_code != 200:
        raise HubError(f"the hub at {URL} refused the update with status {answer.status_code}")
    return answer.json()["id"]


def subscriber_token(user: str, lifetime_seconds: int) -> str:
    """A token that reads the private updates of this user's own topic."""
    return _sign(lifetime_seconds, sub=user, mercure={"subscribe": [f"users/{user}"]})


def _sign(lifetime_seconds: int, **claims: object) -> str:
    expires = int(time.time()) + lifetime_seconds
    return jwt.encode({"exp": expires, **claims}, KEY, algorithm="HS256")
