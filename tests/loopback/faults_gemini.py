"""Faults of servers that speak Gemini's protocol."""

import json

from tests.loopback.bodies import PROPOSAL, TEXT, candidate, google_error, info, quota
from tests.loopback.replies import Raw, Reply

GEMINI: list[tuple[str, Reply, str]] = [
    ("a limit for a minute", google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check "
     "your plan and billing details", quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")), "rate_limit"),
    ("a limit without details", google_error(429, "RESOURCE_EXHAUSTED", "exceeded your current quota"), "rate_limit"),
    ("a limit for a day", google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
     quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")), "quota"),
    ("a limit of nothing", google_error(429, "RESOURCE_EXHAUSTED", "no", quota("RequestsPerMinute", "0")), "quota"),
    ("a wrong key", google_error(400, "INVALID_ARGUMENT", "no", info("API_KEY_INVALID")), "authentication"),
    ("a key that has expired", google_error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
     "authentication"),
    ("an interface that is switched off", google_error(403, "PERMISSION_DENIED", "no", info("SERVICE_DISABLED")),
     "authentication"),
    ("billing that is switched off", google_error(403, "PERMISSION_DENIED", "no", info("BILLING_DISABLED")),
     "quota"),
    ("a wrong model", google_error(404, "NOT_FOUND"), "model_not_found"),
    ("too long", google_error(400, "INVALID_ARGUMENT", "The input exceeds the maximum number of tokens allowed"),
     "context_length"),
    ("overloaded", google_error(503, "UNAVAILABLE", "The model is overloaded."), "server"),
    ("too late", google_error(504, "DEADLINE_EXCEEDED"), "timeout"),
    ("an error in a list", Raw(json.dumps([json.loads(google_error(429, "RESOURCE_EXHAUSTED").body)]), status=429),
     "rate_limit"),
    ("the prompt is blocked", Raw('{"promptFeedback": {"blockReason": "SAFETY"}}'), "malformed"),
    ("an empty object", Raw("{}"), "malformed"),
    ("no candidates", candidate(candidates=[]), "malformed"),
    ("candidates are null", candidate(candidates=None), "protocol"),
    ("candidates are an object", candidate(candidates={}), "protocol"),
    ("a candidate is null", candidate(candidates=[None]), "protocol"),
    ("a candidate without content", candidate(candidates=[{"finishReason": "STOP"}]), "malformed"),
    ("content without parts", candidate(candidates=[{"content": {}, "finishReason": "STOP"}]), "malformed"),
    ("parts are null", candidate(candidates=[{"content": {"parts": None}, "finishReason": "STOP"}]), "malformed"),
    ("a part is null", candidate([None]), "protocol"),
    ("a part is empty", candidate([{}, {"text": TEXT}]), "proposal"),
    ("a part that was thought", candidate([{"text": "DRAFT", "thought": True}, {"text": TEXT}]), "proposal"),
    ("a part of a new kind", candidate([{"hologram": {"a": 1}}, {"text": TEXT}]), "proposal"),
    ("a reason to finish that is new", candidate(candidates=[
        {"content": {"parts": [{"text": TEXT}]}, "finishReason": "TIRED"}]), "proposal"),
    ("a malformed call", candidate(candidates=[{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]),
     "malformed"),
    ("a call without arguments", candidate([{"functionCall": {"name": "submit_proposal"}}]), "malformed"),
    ("a call without a name", candidate([{"functionCall": {"args": PROPOSAL}}]), "malformed"),
    ("arguments that are null", candidate([{"functionCall": {"name": "submit_proposal", "args": None}}]),
     "malformed"),
    ("arguments that are text", candidate([{"functionCall": {"name": "submit_proposal", "args": TEXT}}]), "protocol"),
    ("arguments in an object", candidate([{"functionCall": {"name": "submit_proposal",
     "args": {"proposal": PROPOSAL}}}]),
     "proposal"),
    ("a name with a prefix", candidate([{"functionCall": {"name": "default_api.submit_proposal", "args": PROPOSAL}}]),
     "proposal"),
    ("usage that is null", candidate(usageMetadata=None), "proposal"),
    ("usage that is text", candidate(usageMetadata="many"), "protocol"),
]  # fmt: skip
