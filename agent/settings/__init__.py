"""The one tree of settings, and where its values come from."""
