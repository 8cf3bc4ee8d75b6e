"""Where text is printed: consoles that clean what they print."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tools.text import clean

FILE_COLUMNS = 120
"""Width of tables that go to a file."""


class SafeConsole(Console):
    """Cleans every text before it reaches the screen: names of files and answers of a model may steer a terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Called by the library for whatever it prints."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))


def console(stderr: bool = False) -> Console:
    """Standard output or error, without markup or guessed colours; wide enough for a table if it is a file."""
    made = SafeConsole(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal and "COLUMNS" not in made._environ:
        made.width = FILE_COLUMNS
    return made
