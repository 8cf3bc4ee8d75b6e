"""The commands of `agent`: one file each, with its own flags."""
