"""A model provider on 127.0.0.1 that speaks the real protocols, for tests and for runs by hand."""
