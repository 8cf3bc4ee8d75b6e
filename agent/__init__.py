"""Who decides: configuration, the loop, the arms that propose, and what is remembered."""
