"""Which pixels are the subject: one file for each back end; `make` holds the table."""
