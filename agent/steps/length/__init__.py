"""How long a study trains: found before the search."""
