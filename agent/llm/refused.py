"""Parameters that a server refused: from then on they are sent under the name that it gave, or not at all.

What a server understands cannot be known from its address: a gateway may lead to any model. So its own refusal counts,
for as long as this process lives, in every call to the same model at the same server.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from agent.llm.faults import Fault
from agent.settings.config import LLMConfig

SYSTEM = "system"
"""Stands for the role of the first message, which some models do not have."""
_LIMITS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
"""The two names of the longest answer."""
_ESSENTIAL = {
    *("model", "messages", "contents", "tools", "functions", "stream", "systeminstruction"),
    *("responseformat", "generationconfig", "responsemimetype", "responseschema", "responsejsonschema"),
}
"""Compared as `plain` names. Without these it would be another request; whether the arm can do without tools or
schemas, it decides itself."""
_NOT_PARAMETERS = {
    *("messages", "contents", "systemInstruction", "tools"),
    *("response_format", "responseSchema", "responseJsonSchema"),
}
"""What may hold any names, which are left alone."""
_REFUSES = re.compile(
    r"unsupported|(?:not|n't) support|unknown (?:name|parameter|field|argument)|unrecogni[sz]ed|unexpected|"
    r"not permitted|not allowed|not enabled|no longer supported|extra (?:inputs?|fields?)|deprecated",
    re.IGNORECASE,
)
_INSTEAD = re.compile(r"use ['\"`]?(\w+)['\"`]? instead", re.IGNORECASE)
_SYSTEM_ROLE = re.compile(
    r"\bsystem\W+(?:role|messages?|instructions?|prompts?)|(?:role|developer instruction)\b.*(?:system|not enabled)|"
    r"messages?\W+0\W+role",
    re.IGNORECASE,
)


@dataclass
class Refused:
    """What one model at one server refused."""

    renamed: dict[str, str] = field(default_factory=dict)
    """Parameter → the name to send it under; empty for one that is no longer sent."""
    sent: set[str] = field(default_factory=set)
    """The parameters of the latest request."""

    def learn(self, fault: Fault) -> str:
        """What will be sent differently because of `fault`, as a sentence; empty where nothing can be changed."""
        if fault.kind not in ("unsupported_parameter", "refused_request"):
            return ""
        name = self._name_in(fault)
        if name is None or name in self.renamed:
            return ""
        wanted = _INSTEAD.search(fault.text)
        instead = wanted[1] if wanted else _LIMITS.get(name, "")
        if instead == name or instead in self.renamed or plain(instead) in _ESSENTIAL or name == SYSTEM:
            instead = ""
        self.renamed[name] = instead
        if name == SYSTEM:
            return "system messages: they are now part of the first message"
        return f"the parameter {name}: " + (
            f"it is now sent as {instead}" if instead else "it is no longer sent"
        )

    def _name_in(self, fault: Fault) -> str | None:
        """The parameter that was refused: as the field of the answer says, else as its words do."""
        by_name = {plain(name): name for name in self.sent if plain(name) not in _ESSENTIAL}
        refuses = fault.kind == "unsupported_parameter" or _REFUSES.search(fault.text) is not None
        if not refuses:
            return None
        if SYSTEM in self.sent and _SYSTEM_ROLE.search(f"{fault.param or ''} {fault.text}"):
            return SYSTEM
        by_name.pop(SYSTEM, None)
        for part in reversed(re.split(r"\W+", fault.param or "")):
            if plain(part) in by_name:
                return by_name[plain(part)]
        named = [(found.start(), by_name[plain(found.group())]) for found in _words(fault.text, by_name)]
        return min(named)[1] if named else None


def plain(name: str) -> str:
    """A name as compared: max_tokens and maxTokens are the same."""
    return name.replace("_", "").lower()


def _words(text: str, by_name: dict[str, str]) -> list[re.Match[str]]:
    return [found for found in re.finditer(r"\w+", text) if plain(found.group()) in by_name]


@cache
def _refused(model: str | None, base_url: str | None) -> Refused:
    return Refused()


def refused_by(config: LLMConfig) -> Refused:
    """What the server of `config` refused so far in this process."""
    return _refused(config.model, config.base_url)


def forget() -> None:
    """Start afresh, for tests."""
    _refused.cache_clear()


def parameters_of(body: dict[str, Any]) -> set[str]:
    """The names of the parameters in a request of either protocol; `SYSTEM` where it has a system message."""
    names = {*body, *body.get("generationConfig", {}), *body.get("toolConfig", {})}
    messages = body.get("messages") or [{}]
    if messages[0].get("role") in ("system", "developer") or "systemInstruction" in body:
        names.add(SYSTEM)
    schema = (body.get("response_format") or {}).get("json_schema") or {}
    functions = [tool.get("function") or {} for tool in body.get("tools", ())]
    if any("strict" in holder for holder in (schema, *functions)):
        names.add("strict")
    return names


def adapted(body: dict[str, Any], refused: Refused) -> dict[str, Any]:
    """The request without what the server refused."""
    for name, instead in refused.renamed.items():
        if name == SYSTEM:
            body = _without_system(body)
        elif name == "strict":
            body = _without_strict(body)
        else:
            body = _renamed(body, name, instead)
    return body


def _renamed(value: Any, name: str, instead: str) -> Any:
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, item in value.items():
        if key != name:
            changed[key] = item if key in _NOT_PARAMETERS else _renamed(item, name, instead)
        elif instead:
            changed[instead] = item
    return changed


def _without_strict(body: dict[str, Any]) -> dict[str, Any]:
    def free(holder: dict[str, Any]) -> dict[str, Any]:
        return {key: item for key, item in holder.items() if key != "strict"}

    changed = dict(body)
    if "tools" in body:
        changed["tools"] = [{**tool, "function": free(tool.get("function") or {})} for tool in body["tools"]]
    if schema := (body.get("response_format") or {}).get("json_schema"):
        changed["response_format"] = {**body["response_format"], "json_schema": free(schema)}
    return changed


def _without_system(body: dict[str, Any]) -> dict[str, Any]:
    """The request with its system message in front of the first message of the user."""
    if "systemInstruction" in body:
        words = body["systemInstruction"].get("parts", [])
        first, *others = body["contents"]
        joined = {**first, "parts": [*words, *first.get("parts", [])]}
        rest = {key: item for key, item in body.items() if key != "systemInstruction"}
        return {**rest, "contents": [joined, *others]}
    first, *others = body["messages"]
    if first.get("role") not in ("system", "developer") or not others:
        return body
    joined = {**others[0], "content": _before(first.get("content"), others[0].get("content"))}
    return {**body, "messages": [joined, *others[1:]]}


def _before(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    parts = [
        [{"type": "text", "text": each}] if isinstance(each, str) else each or [] for each in (first, second)
    ]
    return [*parts[0], *parts[1]]
