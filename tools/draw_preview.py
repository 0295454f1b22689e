"""Draws the picture of link previews: python -m tools.draw_preview

It shows an example's image, cut-out and depth, as the shipped weights see them, and is what
other websites and messengers show beside a link to the page.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.command import run
from depthmask.app.page_head import DESCRIPTION, PICTURE, SIZE
from depthmask.files import EXAMPLES
from depthmask.inference.predictor import Predictor
from depthmask.pictures import Picture, read_picture
from depthmask.render.views import checkerboard, colour_depth, cutout, fill, lay_over

MARGIN, GAP = 60, 20  # pixels
BACKGROUND, INK, QUIET = "#fafaf9", "#1c1917", "#57534e"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--example", default="astronaut", metavar="NAME")
    parser.add_argument("-o", "--output", type=Path, default=PICTURE, metavar="FILE")
    options = parser.parse_args()
    draw(look(EXAMPLES / options.example)).save(options.output, quality=85)


def look(folder: Path) -> list[Picture]:
    """Returns the image of an example, what is new in it, and its depth, all of one size."""
    background = read_picture(folder / "background.jpg")
    image = read_picture(folder / "image.jpg")
    found = Predictor().predict(background, image)
    checks = checkerboard(*image.shape[:2], tile=16)
    return [image, lay_over(cutout(image, found.mask), checks), colour_depth(found.depth)]


def draw(pictures: list[Picture]) -> Image.Image:
    """Lays pictures side by side under the project's name."""
    width, height = SIZE
    card = Image.new("RGB", SIZE, BACKGROUND)
    pen = ImageDraw.Draw(card)
    pen.text((MARGIN, 48), "depthmask", INK, ImageFont.load_default(76))
    pen.text((MARGIN, 142), DESCRIPTION, QUIET, ImageFont.load_default(34))
    across = (width - 2 * MARGIN - (len(pictures) - 1) * GAP) // len(pictures)
    top = 220
    for place, picture in enumerate(pictures):
        tile = fill(picture, height - top - MARGIN, across)
        card.paste(
            Image.fromarray(np.ascontiguousarray(tile)), (MARGIN + place * (across + GAP), top)
        )
    return card


if __name__ == "__main__":
    sys.exit(run(main))
