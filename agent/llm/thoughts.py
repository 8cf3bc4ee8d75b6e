"""Cuts a model's thoughts out of its answer, where a server leaves them in the text.

Each family of models marks them with its own pair of tags. What was thought is never the answer: it holds drafts that
the model rejected. The scan is linear in the length of the text.
"""

import re

_NAMES = r"think(?:ing)?|thoughts?|reason(?:ing)?|reflection|seed:think|scratchpad|analysis"
_OPENS = rf"<(?:{_NAMES})(?:\s[^<>]{{0,100}})?>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
_OPENS += r"|<\|channel\|>(?:analysis|commentary)\b"
_CLOSES = rf"</(?:{_NAMES})\s*>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final\b|<\|end\|>"
_TAG = re.compile(rf"(?P<opens>{_OPENS})|(?P<closes>{_CLOSES})", re.IGNORECASE)
_MARKS = re.compile(r"<\|(?:channel|message|start|end|return|begin_of_solution|end_of_solution)\|>")


def without_thoughts(text: str) -> str:
    """The text without what is between tags of thoughts.

    Thoughts that are never closed go to the end of the text. Where a tag closes what none opened, everything before it
    was thought: some servers cut off the opening tag with the prompt. One closing tag ends the thoughts, whether or not
    they mention the opening tag again.
    """
    kept: list[str] = []
    thinking, position = False, 0
    for tag in _TAG.finditer(text):
        if tag["opens"] and not thinking:
            kept.append(text[position : tag.start()])
        elif tag["closes"] and not thinking:
            kept.clear()
        thinking, position = bool(tag["opens"]), tag.end()
    if not thinking:
        kept.append(text[position:])
    return _MARKS.sub("", "".join(kept)).strip()
