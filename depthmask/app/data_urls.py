"""Files inside of JSON: base64, or data: addresses, which programs send instead of uploads.

`DataUrls`, an ASGI application around the page, stores those of a call of /predict as uploads, and
passes a call on that names them. Gradio itself takes none, and keeps calls in memory.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import anyio
from anyio.to_thread import run_sync
from starlette.responses import JSONResponse

from depthmask.app.asgi import App, Receive, Scope, Send
from depthmask.app.cache_files import new_file, storing
from depthmask.app.guard import MAX_CALL_BYTES, TOO_MANY_VALUES, has_too_many_values, is_call
from depthmask.app.photos.dropped import MAX_FILE_BYTES
from depthmask.errors import PictureError, StorageError

_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w=.-]+)*;base64,", re.IGNORECASE)
_MOST_CHARS = MAX_FILE_BYTES * 4 // 3 + 1000


class DataUrls:
    """Stores the data: addresses in calls of /predict."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._one_by_one = anyio.Lock()  # a body may have 70 MB, and takes more as values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not is_call(scope["path"]):
            await self._app(scope, receive, send)
            return
        with TemporaryFile() as file:
            if not await store_body(receive, file):
                return
            try:
                async with self._one_by_one:
                    body = await run_sync(_replace, file)
            except (PictureError, StorageError) as error:
                await JSONResponse({"error": str(error)}, 422)(scope, receive, send)
                return
        await self._pass_on(scope, receive, send, body)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Any:
            return messages.pop() if messages else await receive()

        kept = [header for header in scope["headers"] if header[0] != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._app({**scope, "headers": [*kept, length]}, receive_body, send)


async def store_body(receive: Receive, file: IO[bytes]) -> bool:
    """Writes the body of a request into a file; False if the sender has gone."""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return False
        await run_sync(file.write, message.get("body", b""))
        more = message.get("more_body", False)
    return True


def read_json(file: IO[bytes]) -> Any:
    """Parses a stored body.

    Raises:
        PictureError: It is no JSON, or has too many values.
    """
    file.seek(0)
    body = file.read()
    if has_too_many_values(body):
        raise PictureError(TOO_MANY_VALUES)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise PictureError("The request is no JSON; send an object, or a form.") from error


def store_data(text: str, name: str) -> Path:
    """Stores a file that is written as base64, or as a data: address.

    Args:
        text: The file.
        name: What its name begins with.

    Raises:
        PictureError: It is neither, or larger than a file may be.
        StorageError: It cannot be stored.
    """
    head = _DATA_URL.match(text)
    if len(text) > _MOST_CHARS:
        raise PictureError(f"The {name} has more than {MAX_FILE_BYTES / 1e6:g} MB.")
    try:
        lines = (text[head.end() :] if head else text).split()  # many programs break it
        content = base64.b64decode("".join(lines), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError(
            f"The {name} is no base64; send a file as base64, or as data:image/jpeg;base64,…"
        ) from error
    if not content:
        raise PictureError(f"The {name} is empty.")
    path = new_file(name)
    with storing():
        path.write_bytes(content)
    return path


def _replace(file: IO[bytes]) -> bytes:
    """The body of a call, with paths of stored files in the place of data: addresses."""
    body = json.dumps(_replaced(read_json(file), _stored)).encode()
    if len(body) > MAX_CALL_BYTES:
        raise PictureError(f"A call may have {MAX_CALL_BYTES:,} bytes beside its files.")
    return body


def _replaced(value: Any, store: Callable[[str], Any]) -> Any:
    if isinstance(value, dict):
        address = value.get("url") or value.get("path")
        if isinstance(address, str) and _DATA_URL.match(address):
            return store(address)
        return {key: _replaced(each, store) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, store) for each in value]
    return store(value) if isinstance(value, str) and _DATA_URL.match(value) else value


def _stored(text: str) -> dict[str, Any]:
    path = store_data(text, "picture")
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
