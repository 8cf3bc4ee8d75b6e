"""The flag of commands that read a store and no other setting. Light."""

import os

from agent.settings.arguments import FlagParser


def add_tracking_uri(parser: FlagParser) -> None:
    """Add --tracking.uri, for a store that is elsewhere now than a study says."""
    parser.add_argument(
        "--tracking.uri",
        "--tracking-uri",
        dest="tracking_uri",
        default=os.environ.get("AGENT_TRACKING__URI") or None,
        metavar="URI",
        help="the MLflow store, if it is elsewhere now than the studies say (AGENT_TRACKING__URI)",
    )
