"""A hub on the loopback, and what `file_of` makes of its answers: `python -m tests.tools.hub_server CACHE`.

In a process of its own, because the hub's client reads its settings when it is imported. Prints one JSON object: case →
what came of it.
"""

import hashlib
import http.server
import json
import os
import sys
import threading
from pathlib import Path

CONTENT = b"weights " * 1000
FAULTS = {
    "401": (401, ""),
    "gated": (403, "GatedRepo"),
    "404": (404, "RepoNotFound"),
    "407": (407, ""),
    "entry": (404, "EntryNotFound"),
}


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves OWNER/CASE/resolve/main/FILE as the hub does, with the fault that CASE names."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        """The headers of a file."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """The file."""
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        case = self.path.split("/")[2]
        status, code = FAULTS.get(case, (200, ""))
        sent = CONTENT[:-9] + b"different" if case == "wrong" else CONTENT if status == 200 else b""
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", "words of the hub")
        if status == 200:
            self.send_header("X-Repo-Commit", "1" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(CONTENT).hexdigest()}"')
            self.send_header("X-Linked-Size", str(len(CONTENT)))
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("Connection", "close")
        self.end_headers()
        if body:
            self.wfile.write(sent[: len(sent) // 2] if case == "partial" else sent)
        self.close_connection = True


def main(cache: Path) -> dict[str, str]:
    """What `file_of` says to each case."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(
        HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}", HF_HUB_CACHE=str(cache), HF_HUB_DISABLE_XET="1"
    )
    from tools.errors import ConfigurationError
    from tools.hub import file_of

    said = {}
    for case in ("good", "wrong", "wrong again", *FAULTS, "good again", "read-only"):
        if case == "read-only":
            (cache / "models--owner--read-only").write_text("a file where a folder is needed")
        try:
            found = file_of(
                f"owner/{case.removesuffix(' again')}/weights.bin", "aga.detector.checkpoint", "Give a path"
            )
            said[case] = f"{len(found.read_bytes())} bytes"
        except ConfigurationError as error:
            said[case] = str(error)
    server.shutdown()
    server.server_close()
    try:
        file_of("owner/away/weights.bin", "aga.detector.checkpoint", "Give a path")
    except ConfigurationError as error:
        said["away"] = str(error)
    return said


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
