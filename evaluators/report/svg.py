"""A Matplotlib figure as SVG within a page: in the page's own colours and font, without styles that a strict
Content-Security-Policy forbids, and with a name for readers who cannot see it."""

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from evaluators.report.plots import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ON_PAGE = Look(ink="#010203", muted="#020304", accent="#030405", area="#040506")
"""Stand-ins for the colours of the page, which may be light or dark."""
_NAMES = {
    ON_PAGE.ink: "ink",
    ON_PAGE.muted: "muted",
    ON_PAGE.accent: "accent",
    ON_PAGE.area: "area",
    "#000000": "ink",
}
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"


def inline(figure: "Figure", name: str, title: str, description: str = "") -> str:
    """The figure as an <svg> element for an HTML page that has the classes `f-ink`, `s-ink` and so on.

    Args:
        figure: drawn with the colours of `ON_PAGE`.
        name: unlike those of other figures of the page; letters and digits.
        title: what it shows.
        description: what a reader who cannot see it has to know.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}style",) or child.tag.endswith("metadata"):
                parent.remove(child)
    for element in root.iter():
        _unstyle(element)
        _rename(element, name)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "width": f"{1.3 * float(root.attrib['viewBox'].split()[2]):.0f}",  # text as large as the page's small print
        "class": "plot",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-text" if description else f"{name}-title",
        "stroke-linejoin": "round",
    }
    heads = [("title", title), *([("desc", description)] if description else [])]
    for place, (tag, text) in enumerate(heads):
        head = ElementTree.Element(f"{_SVG}{tag}", {"id": f"{name}-{'title' if tag == 'title' else 'text'}"})
        head.text = text
        root.insert(place, head)
    ElementTree.register_namespace("", _SVG.strip("{}"))
    ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")
    return ElementTree.tostring(root, encoding="unicode")


def _unstyle(element: ElementTree.Element) -> None:
    """Every style as attributes; the colours that stand in for the page's as classes."""
    for part in element.attrib.pop("style", "").split(";"):
        key, _, value = (piece.strip() for piece in part.partition(":"))
        if key == "font":
            if size := re.search(r"([\d.]+)px", value):
                element.set("font-size", size.group(1))
            if "bold" in value or re.match(r"[67]00", value):
                element.set("font-weight", "bold")
        elif key and key not in ("font-family", "-inkscape-stroke"):
            element.set(key, value)
    classes = []
    for key, mark in (("fill", "f"), ("stroke", "s")):
        if known := _NAMES.get(element.attrib.get(key, "").lower()):
            del element.attrib[key]
            classes.append(f"{mark}-{known}")
    if element.tag == f"{_SVG}text" and "fill" not in element.attrib and not classes:
        classes.append("f-ink")
    if classes:
        element.set("class", " ".join(classes))


def _rename(element: ElementTree.Element, name: str) -> None:
    """Ids, and references to them, that no other figure of the page has."""
    if found := element.attrib.get("id"):
        element.set("id", f"{name}-{found}")
    if (link := element.attrib.get(_LINK, "")).startswith("#"):
        element.set(_LINK, f"#{name}-{link[1:]}")
    for key, value in list(element.attrib.items()):
        if "url(#" in value:
            element.set(key, value.replace("url(#", f"url(#{name}-"))
