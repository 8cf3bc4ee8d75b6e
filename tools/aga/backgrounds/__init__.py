"""Back ends that make backgrounds from captions: one file for each; `make` holds the table."""
