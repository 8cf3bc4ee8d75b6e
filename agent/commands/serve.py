"""`agent serve`: studies as a service, until Ctrl-C."""

from collections.abc import Sequence

from agent.screen.exits import perform
from agent.screen.terminal import Terminal
from agent.service.config import DEFAULT_PORT, MIB
from agent.settings.arguments import FlagParser
from agent.settings.listening import given_host
from tools.errors import ConfigurationError


def main(words: Sequence[str]) -> int:
    """`agent serve …`; the exit code."""
    parser = FlagParser(
        "serve",
        description="Queue and run studies for whoever has the token: an HTTP API, its page in a browser, and agent "
        "submit and agent follow. Nothing is lost when it is stopped or killed (docs/service.md).",
    )
    parser.add_argument(
        "--host", type=given_host, default="127.0.0.1", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port; 0: one that is free (default: %(default)s)"
    )
    parser.add_argument(
        "--at-once",
        type=int,
        default=1,
        metavar="N",
        help="studies that run at the same time (default: %(default)s)",
    )
    parser.add_argument(
        "--no-token",
        action="store_true",
        help="ask for no token; only where it listens on this machine alone",
    )
    parser.add_argument(
        "--requests-per-second",
        type=float,
        default=50.0,
        metavar="X",
        help="that one client may make (default: %(default)g)",
    )
    parser.add_argument(
        "--largest-body",
        type=int,
        default=MIB,
        metavar="BYTES",
        help="of a request (default: %(default)s)",
    )
    parser.add_argument(
        "--mlflow", default="", metavar="URL", help="address of MLflow's pages, to which the page then links"
    )
    parser.add_runs_dir()
    parser.add_common_flags()
    options = parser.parse_all(words)

    def run(terminal: Terminal) -> int:
        from pydantic import ValidationError

        from agent.service.config import ServiceConfig
        from agent.service.server import serve

        names = ("host", "port", "at_once", "requests_per_second", "largest_body", "mlflow")
        try:
            config = ServiceConfig(
                runs_dir=options.runs_dir.absolute(), **{name: getattr(options, name) for name in names}
            )
        except ValidationError as error:
            fault = error.errors()[0]
            flag, reason = f"--{str(fault['loc'][0]).replace('_', '-')}", fault["msg"]
            if fault["type"] == "string_pattern_mismatch":
                reason = "must be an address that begins with http:// or https://"
            raise ConfigurationError(
                f"{flag} {fault['input']}: {reason[:1].lower()}{reason[1:]}; see `agent serve --help`"
            ) from None
        return serve(config, terminal, guarded=not options.no_token)

    return perform(run, options, pages=True)
