"""Every word that is said to an LLM, as data."""
