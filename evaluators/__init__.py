"""What a result means: statistics and the report. Imports nothing from `agent`."""
