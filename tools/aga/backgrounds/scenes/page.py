"""The page docs/scenes.md and its picture: `python -m tools.aga.backgrounds.scenes.page > docs/scenes.md`.

The picture is written to docs/scenes.jpg beside it.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tools.aga.backgrounds.scenes.maker import draw
from tools.aga.backgrounds.scenes.vocabulary import ASPECTS, Family, vocabulary

PICTURE = Path("docs/scenes.jpg")
COLUMNS = (
    ("at noon", "a photograph of {}, at noon"),
    ("wide, overcast", "a wide-angle photograph of {} on an overcast day"),
    ("macro, golden", "a macro photograph of {} in the golden hour"),
    ("at night", "a photograph of {} at night"),
    ("in autumn", "a photograph of {} in autumn"),
    ("in winter", "a photograph of {} in winter"),
)
"""Heading → caption of a column of the picture."""
_TILE, _GAP, _NAME, _HEAD = 92, 4, 76, 22


def page() -> str:
    """The whole page, in Markdown."""
    known = vocabulary()
    lines = [
        Path(__file__).with_suffix(".md").read_text(encoding="utf-8"),
        "## What can be shown\n",
        "| name | shows | words |",
        "| --- | --- | --- |",
    ]
    for family in known.families.values():
        lines.append(f"| {family.name} | {family.shows} | {', '.join(family.words)} |")
    lines += ["", "## Light, season, camera\n", "| | words |", "| --- | --- |"]
    for aspect in ASPECTS:
        for name, words in known.aspects[aspect].items():
            lines.append(f"| {aspect}: {name} | {', '.join(words)} |")
    lines += ["", "## Colours\n", ", ".join(known.colours) + "; paler with *pale*, darker with *dark*.", ""]
    return "\n".join(lines)


def picture() -> Image.Image:
    """Every family under the captions of `COLUMNS`, in two halves side by side."""
    families = list(vocabulary().families.values())
    half = -(-len(families) // 2)
    width = _NAME + len(COLUMNS) * (_TILE + _GAP) + 3 * _GAP
    sheet = Image.new("RGB", (2 * width, _HEAD + half * (_TILE + _GAP)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    for number, family in enumerate(families):
        side, row = divmod(number, half)
        left, top = side * width, _HEAD + row * (_TILE + _GAP)
        pen.text((left + 4, top + _TILE // 2 - 8), family.name, fill="black", font=font)
        for column, tile in enumerate(_tiles(family)):
            x = left + _NAME + column * (_TILE + _GAP)
            sheet.paste(Image.fromarray(tile), (x, top))
            if row == 0:
                pen.text((x, 4), COLUMNS[column][0], fill="black", font=font)
    return sheet


def _tiles(family: Family) -> Iterator[np.ndarray]:
    for number, (_, caption) in enumerate(COLUMNS):
        yield draw(caption.format(family.words[0]), number, _TILE)


def main() -> None:
    """Print the page, and write the picture."""
    picture().save(PICTURE, quality=76)
    print(page(), end="")


if __name__ == "__main__":
    main()
