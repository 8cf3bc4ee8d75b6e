"""The commands of `agent`: one file each, whose `main` parses the command's own flags and runs it."""
