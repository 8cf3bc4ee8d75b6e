"""A server that answers as a language model once did: `python -m benchmarks.recorded_llm FILE [--port N]`.

It speaks OpenAI's protocol, so that a race with a language model can be run again by anybody, to the same numbers:

    python -m benchmarks.recorded_llm benchmarks/data/recorded/demo.json --port 8765 &
    OPENAI_API_KEY=none agent compare … --llm openai:recorded --llm-base-url http://127.0.0.1:8765/v1

An answer belongs to one conversation: to all texts of its messages, pictures left out. Whatever was not recorded is
refused, since any answer to it would be made up. With `--record FOLDER`, such a conversation is written to
`FOLDER/N.txt` instead, and the server waits for `FOLDER/N.json`, the answer: an object is the arguments of
`submit_proposal`, `{"tool": NAME, "arguments": {…}}` calls another tool, and a string is plain text.
"""

import argparse
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.files import write_json

SUBMIT = "submit_proposal"
PAUSE = 0.2
"""Seconds between two looks for an answer that is awaited."""


def conversation_of(request: dict[str, Any]) -> str:
    """All texts of a request's messages, and what was called in them, in order."""
    parts = []
    for message in request["messages"]:
        content = message.get("content") or ""
        if isinstance(content, list):
            content = "\n".join(part["text"] for part in content if part.get("type") == "text")
        parts.append(f"[{message['role']}]\n{content}")
        for call in message.get("tool_calls") or ():
            parts.append(f"[calls {call['function']['name']}]\n{call['function']['arguments']}")
    return "\n\n".join(parts)


class Recording:
    """Answers by conversation, in one JSON file."""

    def __init__(self, file: Path, waiting: Path | None = None) -> None:
        """`waiting` is the folder in which a person or a model answers what the file lacks."""
        self._file, self._waiting = file, waiting
        self._content: dict[str, Any] = {"about": "", "answers": {}}
        if file.exists():
            self._content = json.loads(file.read_text(encoding="utf-8"))
        self._lock = threading.Lock()

    def answer(self, conversation: str) -> Any:
        """The answer to a conversation; None where there is none and nobody is asked."""
        digest = hashlib.sha256(conversation.encode()).hexdigest()[:20]
        with self._lock:
            if digest not in self._content["answers"] and self._waiting is not None:
                self._content["answers"][digest] = self._awaited(self._waiting, conversation)
                write_json(self._file, self._content)
            return self._content["answers"].get(digest)

    def _awaited(self, folder: Path, conversation: str) -> Any:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(self._content["answers"]) + 1
        (folder / f"{number}.txt").write_text(conversation, encoding="utf-8")
        answer = folder / f"{number}.json"
        while True:
            if answer.exists():
                try:
                    return json.loads(answer.read_text(encoding="utf-8"))
                except ValueError:
                    pass  # being written
            time.sleep(PAUSE)


def reply_of(answer: Any, model: str) -> dict[str, Any]:
    """The body of OpenAI's reply."""
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if not isinstance(answer, str):
        name, arguments = (answer["tool"], answer["arguments"]) if "tool" in answer else (SUBMIT, answer)
        call = {"name": name, "arguments": json.dumps(arguments)}
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]}
    return {
        "id": "recorded",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }


def server(recording: Recording, port: int) -> ThreadingHTTPServer:
    """Answers on loopback; port 0 is any that is free."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = recording.answer(conversation_of(request))
            if answer is None:
                text = "this conversation was not recorded: the data, the settings or the prompts differ"
                self._send(404, {"error": {"message": text, "type": "invalid_request_error", "code": None}})
            else:
                self._send(200, reply_of(answer, request["model"]))

        def _send(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are not listed."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="a server that answers as a language model once did")
    parser.add_argument("file", type=Path, help="the recording, JSON")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="have answered there what is missing")
    options = parser.parse_args()
    if options.record is None and not options.file.exists():
        print(f"{options.file} does not exist; --record FOLDER makes it", file=sys.stderr)
        return 2
    with server(Recording(options.file, options.record), options.port) as running:
        print(f"http://127.0.0.1:{running.server_address[1]}/v1", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
