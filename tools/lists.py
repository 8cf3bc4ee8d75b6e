"""Lists and tables written in one line, as flags and environment variables give them. Light."""

from typing import Any


def bracketed(text: str) -> list[str]:
    """The items of a list in square brackets, as JSON or YAML has it: '["a", "b"]' and '[a, b]' alike.

    Args:
        text: begins with '['. A shell takes the quotes of JSON away, so items need none; all of them are text, '1' too.

    Raises:
        ValueError: it is not a list of texts; the message says how to write one.
    """
    import yaml

    try:
        items = yaml.load(text, Loader=yaml.BaseLoader)  # which makes nothing but texts, lists and tables
    except yaml.YAMLError:
        items = None
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError('is not a list: write a,b or \'["a", "b"]\'')
    return items


def braced(text: str, *, typed: bool = False) -> dict[str, Any]:
    """The pairs of a table in braces, as JSON or YAML has it: '{"a": "b, c"}'.

    Args:
        text: begins with '{'.
        typed: whether numbers, true and false are what they look like; otherwise all values are text.

    Raises:
        ValueError: it is no table of single values.
    """
    import yaml

    try:
        pairs = yaml.load(text, Loader=yaml.SafeLoader if typed else yaml.BaseLoader)
    except yaml.YAMLError:
        pairs = None
    if not isinstance(pairs, dict) or any(isinstance(value, list | dict) for value in pairs.values()):
        raise ValueError('is not a table: write a=b,c=d or \'{"a": "b", "c": "d"}\'')
    return {str(name): value for name, value in pairs.items()}
