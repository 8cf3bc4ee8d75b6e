"""The tool `preview_backgrounds`: some images as a set of background prompts would give them, with what gates say."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.proposers.inspection import ToolResult, encoded
from prompts import render
from tools.aga.captions.prompt_sets import LONGEST_ENTRY
from tools.sheet import SheetRow, draw_sheet
from tools.text import one_line

if TYPE_CHECKING:
    from tools.aga.making.preview_rows import Preview

_TILE, _COLUMNS = 176, 4
MOST_BACKGROUNDS = 16
"""Different ones that are listed, of all that were tried."""


def show(preview: "Preview", vision: bool, aliases: Mapping[str, str]) -> ToolResult:
    """The preview in words, and as a picture for a model that sees; `aliases` stand in place of names of classes."""
    rows = [replace(each, label=aliases.get(each.label, each.label)) for each in preview.rows]
    composites = [replace(each, what=aliases.get(each.what, each.what)) for each in preview.composites]
    preview = replace(preview, rows=tuple(rows), composites=tuple(composites))
    tried = Counter(preview.backgrounds)
    listed = list(tried.items())[:MOST_BACKGROUNDS]
    values = {
        "made": len(preview.rows),
        "refused": [each for each in preview.composites if each.refused],
        "tried": [
            (one_line(each.what, 2 * LONGEST_ENTRY), one_line(each.refused, 200), times)
            for each, times in listed
        ],
        "more": len(tried) - len(listed),
        "accepted": sum(not each.refused for each in preview.backgrounds),
        "backgrounds": len(preview.backgrounds),
        "skipped": preview.skipped,
    }
    text = render("composites", picture=False, **values)
    if not (vision and preview.rows):
        return ToolResult(text)
    return ToolResult(render("composites", picture=True, **values), _sheet(preview), text)


def _sheet(preview: "Preview") -> str:
    """Each real image above what was made of it, four in a row."""
    rows = []
    for start in range(0, len(preview.rows), _COLUMNS):
        part = preview.rows[start : start + _COLUMNS]
        rows.append(SheetRow([each.real for each in part], captions=[[each.label] for each in part]))
        rows.append(SheetRow([each.composite for each in part]))
    return encoded(draw_sheet("training images, and beneath each what was made of it", rows, _TILE))
