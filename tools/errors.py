"""The one family of errors that is written for the person at the terminal."""


class AugurError(Exception):
    """Something the user can act on: says what happened, where, and what to do next.

    `exit_code` is what the command line ends with: 1 failed, 2 wrong usage or configuration. `resumable` says that
    nothing is lost: the study goes on from here once the cause is gone.
    """

    exit_code = 1
    resumable = False


class ConfigurationError(AugurError):
    """A setting is unknown, out of range, or contradicts another."""

    exit_code = 2


class DataError(AugurError):
    """The data set is missing, malformed, corrupt, or leaks between its splits."""
