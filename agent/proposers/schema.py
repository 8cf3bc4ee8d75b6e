"""The JSON schemas that are sent to a model: one form that both OpenAI's strict mode and Gemini support.

No reference, no union, no free-form object, no range: every property is required, names are enumerations of the
catalogue. The prompt gives the ranges; vet checks them and explains what is wrong.
"""

import copy
from typing import Any

from agent.memory.history import History
from agent.memory.proposal import Proposal
from prompts import render
from tools.policy.catalogue import CATALOGUE, operation_names

SUBMIT = "submit_proposal"
DESCRIBE = "describe_dataset"
PREVIEW = "preview_policy"
BACKGROUNDS = "preview_backgrounds"
ERRORS = "show_errors"
PROBE = "probe_policy"
RESULTS = "read_results"


def proposal_schema(history: History, notes: bool = True) -> dict[str, Any]:
    """JSON schema of `Proposal`, named as the tool that submits it: with the operations that the study allows, and
    without what is off: backgrounds, length, and `notes` for a model that has no notebook."""
    from langchain_core.utils.json_schema import dereference_refs

    schema = dereference_refs(Proposal.model_json_schema())
    schema.pop("$defs", None)
    if history.backgrounds == "off":
        del schema["properties"]["backgrounds"]
    del schema["properties"]["changes"]
    notebook = schema["properties"]["notes"]
    if not notes or history.candidates > 1:
        del schema["properties"]["notes"]
    if not history.longer:
        del schema["properties"]["length"]
    schema = _tidy(schema)
    operation = schema["properties"]["policy"]["items"]
    allowed = operation_names(history.whole_policies, history.grey)
    operation["properties"]["name"]["enum"] = list(allowed)
    parameter = operation["properties"]["parameters"]["items"]
    names = dict.fromkeys(item.name for name in allowed for item in CATALOGUE[name].parameters)
    parameter["properties"]["name"]["enum"] = list(names)
    if history.candidates > 1:
        schema = _several(schema, history.candidates, notebook if notes else None)
    return {"title": SUBMIT, "description": _description(SUBMIT, history.candidates), **schema}


def _several(proposal: dict[str, Any], count: int, notebook: dict[str, Any] | None) -> dict[str, Any]:
    """The schema of so many proposals in one answer, with one notebook for all of them."""
    wanted = {"type": "array", "description": f"exactly {count} proposals, all different", "items": proposal}
    return _object({"proposals": wanted, **({"notes": _tidy(notebook)} if notebook else {})})


def _tidy(schema: dict[str, Any]) -> dict[str, Any]:
    """Closes all objects, requires all their properties, and removes titles and docstrings."""
    kept = {key: value for key, value in schema.items() if key not in ("title", "$defs", "default")}
    if schema.get("type") == "object":
        kept.pop("description", None)
        kept["properties"] = {name: _tidy(value) for name, value in schema.get("properties", {}).items()}
        kept["required"] = list(kept["properties"])
        kept["additionalProperties"] = False
    if "items" in schema:
        kept["items"] = _tidy(schema["items"])
    return kept


def tool_definitions(
    names: list[str], provider: str, history: History, notes: bool = True
) -> list[dict[str, Any]]:
    """The tools called `names` as function declarations, for `bind_tools`; `notes` as in `proposal_schema`."""
    proposal = proposal_schema(history, notes)
    submit = {key: value for key, value in proposal.items() if key not in ("title", "description")}
    one = proposal if history.candidates == 1 else proposal["properties"]["proposals"]["items"]
    operations = {"operations": copy.deepcopy(one["properties"]["policy"])}
    classes = {
        "classes": {
            "type": "array",
            "items": {"type": "string"},
            "description": "names of classes; an empty list means all of them",
        }
    }
    parameters = {
        SUBMIT: submit,
        PREVIEW: _object(operations),
        PROBE: _object(copy.deepcopy(operations)),
        DESCRIBE: _object(classes),
        ERRORS: _object(classes),
        RESULTS: _object({}),
    }
    if "backgrounds" in one["properties"]:
        prompts = copy.deepcopy(one["properties"]["backgrounds"]["items"])
        parameters[BACKGROUNDS] = _object({"backgrounds": prompts})
    tools = [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": _description(name, history.candidates),
                "parameters": parameters[name],
            },
        }
        for name in names
    ]
    if provider == "openai":
        for tool in tools:
            tool["function"]["strict"] = True
    # Gemini's declarations do not have this keyword, and its client warns about each one that it drops.
    return [_without(tool, "additionalProperties") for tool in tools] if provider == "google_genai" else tools


def ordered(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with Gemini's `propertyOrdering`, so that the model writes its reason before the policy."""
    kept = dict(schema)
    if "properties" in schema:
        kept["properties"] = {name: ordered(value) for name, value in schema["properties"].items()}
        kept["propertyOrdering"] = list(schema["properties"])
    if "items" in schema:
        kept["items"] = ordered(schema["items"])
    return kept


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _description(tool: str, candidates: int) -> str:
    return render("tools", tool=tool, candidates=candidates)


def _without(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _without(item, key) for name, item in value.items() if name != key}
    if isinstance(value, list):
        return [_without(item, key) for item in value]
    return value
