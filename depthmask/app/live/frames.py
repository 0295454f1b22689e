"""Pictures between a live page and the server: data URLs, which need no file and no request."""

import base64

import cv2
import numpy as np

from depthmask.app.reading import frame_reader
from depthmask.errors import DepthmaskError, PictureError
from depthmask.pictures import Map, Picture

MAX_PICTURE_CHARS = 2_000_000  # of a picture as a data URL
BAD_FRAME = "The camera's picture could not be read; reload the page."

BACKGROUND_QUALITY = 92  # of JPEG; the learned background may become a photo
DEPTH_QUALITY = 90
MASK_COMPRESSION = 1  # of PNG: the fastest


class MessageError(DepthmaskError):
    """A message cannot be answered; the error's sentence is the answer."""


def decode_frame(url: object) -> Picture:
    """Decodes the picture of a data URL: (H, W, 3), uint8, RGB.

    Raises:
        MessageError: It is no picture, or its size is out of range.
    """
    text = str(url)
    if len(text) > MAX_PICTURE_CHARS or not text.startswith("data:image/"):
        raise MessageError(BAD_FRAME)
    try:
        data = base64.b64decode(text.partition(",")[2], validate=True)
    except ValueError as error:  # binascii.Error, and what is not ASCII
        raise MessageError(BAD_FRAME) from error
    try:
        return frame_reader().frame(data)
    except PictureError as error:
        raise MessageError(BAD_FRAME) from error


def jpeg_url(picture: Picture, quality: int = BACKGROUND_QUALITY) -> str:
    """Encodes (H, W) or (H, W, 3), uint8, RGB."""
    if picture.ndim == 3:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8)
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return data_url(data.tobytes())


def mask_url(mask: Map) -> str:
    """Encodes a mask, (h, w) in [0, 1], without loss."""
    done, data = cv2.imencode(
        ".png", _levels(mask), [cv2.IMWRITE_PNG_COMPRESSION, MASK_COMPRESSION]
    )
    assert done
    return data_url(data.tobytes(), "png")


def depth_url(depth: Map) -> str:
    """Encodes depth, (h, w) in [0, 1], to be looked at."""
    return jpeg_url(_levels(depth), DEPTH_QUALITY)


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """Makes a data URL of an encoded picture."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _levels(values: Map) -> Picture:
    return np.asarray(cv2.convertScaleAbs(values, alpha=255), dtype=np.uint8)
