"""One plain address for programs: POST two photos to /api/predict, and get JSON.

The body is a form with the files "background" and "image", or JSON with both as base64 or as data:
addresses. Several photos of the empty scene, as the field again or as a list, are one background.
"outputs" names what is wanted of `PARTS`, separated by commas. The answer has these as base64 under
"files", and the description that the page's prediction.json has. An error is a sentence under
"error".
"""

import base64
import hmac
import logging
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from depthmask.app.asgi import App, Receive, Refused, Scope, Send
from depthmask.app.cache_files import new_file, storing
from depthmask.app.data_urls import read_json, store_body, store_data
from depthmask.app.endpoint import PARTS
from depthmask.app.fair_queue import FairQueue
from depthmask.app.guard import is_plain_api
from depthmask.app.loading import Predicts
from depthmask.app.photos.analysis import analyse
from depthmask.app.photos.downloads import DOWNLOADS, describe, prepare
from depthmask.app.photos.dropped import MAX_BACKGROUNDS, DroppedFiles
from depthmask.app.prediction_cache import PredictionCache
from depthmask.errors import DepthmaskError, PictureError

WANTED = ("mask", "depth")  # unless others are asked for
HOW = (
    "POST two photos: a form with the files background and image, or JSON with both as base64. "
    "`curl -F background=@background.jpg -F image=@image.jpg` does it."
)
UNEXPECTED = "Something failed on the server; try again later."


class PlainApi:
    """Answers /api/predict; requests of one address are served one by one.

    Args:
        predictor: Makes the predictions.
        queue: In which visitors wait for their turn; it is the page's, too.
        model: The name of the model in use.
        auth: User and password that requests have to give, by HTTP's basic authentication.
    """

    def __init__(
        self,
        predictor: Predicts,
        queue: FairQueue,
        *,
        model: str,
        auth: tuple[str, str] | None = None,
    ) -> None:
        self._predictor, self._queue, self._model, self._auth = predictor, queue, model, auth

    async def answer(self, scope: Scope, receive: Receive) -> Response:
        """Answers a request."""
        request = Request(scope, receive)
        if self._auth and not _is_known(request, self._auth):
            headers = {"WWW-Authenticate": 'Basic realm="depthmask"'}
            return JSONResponse({"error": "Give user and password."}, 401, headers)
        if scope["method"] != "POST":
            return JSONResponse({"error": HOW}, 405, {"Allow": "POST"})
        try:
            return JSONResponse(await self._serve(request, receive))
        except (Refused, ClientDisconnect):
            raise  # to the guard, and to the server
        except (HTTPException, MultiPartException) as error:
            reason = error.detail if isinstance(error, HTTPException) else error.message
            return JSONResponse({"error": f"{reason} {HOW}"}, 422)
        except DepthmaskError as error:
            return JSONResponse({"error": str(error)}, 422)
        except Exception:
            logging.getLogger(__name__).exception("a request failed")
            return JSONResponse({"error": UNEXPECTED}, 500)

    async def _serve(self, request: Request, receive: Receive) -> dict[str, Any]:
        visitor = f"address {request.client.host if request.client else ''}"
        if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
            async with request.form(max_files=MAX_BACKGROUNDS + 1, max_fields=3) as form:
                values: dict[str, Any] = dict(form)
                values["background"] = form.getlist("background")
                if len(form.multi_items()) > len(form) - 1 + max(len(values["background"]), 1):
                    raise PictureError(f"The form has a field twice. {HOW}")
                return await self._queue.run(visitor, self._predict, values)
        with TemporaryFile() as file:
            if not await store_body(receive, file):
                raise PictureError("The request broke off.")
            return await self._queue.run(visitor, self._predict_json, file)

    def _predict_json(self, file: IO[bytes]) -> dict[str, Any]:
        values = read_json(file)
        if not isinstance(values, dict):
            raise PictureError(HOW)
        return self._predict(values)

    def _predict(self, values: Mapping[str, Any]) -> dict[str, Any]:
        wanted = _wanted(values.get("outputs") or ",".join(WANTED))
        with ExitStack() as stack:

            def stored(value: object, name: str) -> str:
                path = _stored(value, name)
                stack.callback(shutil.rmtree, path.parent, ignore_errors=True)
                return str(path)

            given = values.get("background")
            listed = given if isinstance(given, list) and given else [given]
            if len(listed) > MAX_BACKGROUNDS:
                raise PictureError(f"There may be {MAX_BACKGROUNDS} backgrounds; send fewer.")
            background, *more = (stored(value, "background") for value in listed)
            image = stored(values.get("image"), "image")
            dropped = DroppedFiles(background, image, more_backgrounds=tuple(more))
            # not the page's cache: nobody comes back for this pair
            analysis = analyse(self._predictor, PredictionCache(), dropped)
        if analysis.predicted is None:
            raise PictureError(analysis.message)
        files = {}
        for name in wanted:
            made, complaint = prepare(DOWNLOADS[name], analysis, self._model)
            if made is None:
                raise PictureError(complaint)
            files[name] = base64.b64encode(made.read_bytes()).decode()
            shutil.rmtree(made.parent, ignore_errors=True)
        return {"files": files, **describe(analysis, analysis.predicted, self._model)}


class PlainApiRoute:
    """An ASGI application around the page that lets `PlainApi` answer its address."""

    def __init__(self, app: App, *, api: PlainApi) -> None:
        self._app, self._api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_plain_api(scope["path"]):
            response = await self._api.answer(scope, receive)
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_known(request: Request, auth: tuple[str, str]) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    wanted = base64.b64encode(":".join(auth).encode())
    return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), wanted)


def _wanted(names: object) -> list[str]:
    listed = names if isinstance(names, list) else str(names).split(",")
    wanted = list(dict.fromkeys(str(name).strip() for name in listed))  # each is made once
    for name in wanted:
        if name not in PARTS:
            raise PictureError(
                f"There is no output called {name[:40]!r}; there are {', '.join(PARTS)}."
            )
    return wanted


def _stored(value: object, name: str) -> Path:
    """Stores a photo of a form or of JSON."""
    if isinstance(value, str) and value:
        return store_data(value, name)
    if not isinstance(value, UploadFile):
        raise PictureError(f"The {name} is missing. {HOW}")
    path = new_file(name)
    with storing(), path.open("wb") as file:
        shutil.copyfileobj(value.file, file)
    return path
