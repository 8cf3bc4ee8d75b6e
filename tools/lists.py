"""Lists written in one line, as flags and environment variables give them. Light."""


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
