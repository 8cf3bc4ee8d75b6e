"""The commands of `agent`: one file each, whose `main` parses the command's own arguments and runs it.

`main` returns the exit code, and raises a ConfigurationError for an argument or a setting that is wrong.
"""
