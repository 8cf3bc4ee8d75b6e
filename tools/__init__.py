"""What Augur can do; each part is usable without the agent. Imports nothing from `agent` or `evaluators`."""
