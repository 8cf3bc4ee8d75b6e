"""Ways of searching, tried on a table of trained policies in place of trainings: `agent simulate TABLE --arms …`."""
