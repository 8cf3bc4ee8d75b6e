"""Trials on the nodes of a Ray cluster. Only this package imports Ray (the extra `[ray]`)."""
