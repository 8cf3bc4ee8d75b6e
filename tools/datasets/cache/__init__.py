"""The decode-once cache: every distinct image decoded once, whatever splits are made of it."""
