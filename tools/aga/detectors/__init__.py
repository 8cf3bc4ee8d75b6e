"""Where the subject is: one file for each back end; `make` holds the table."""
