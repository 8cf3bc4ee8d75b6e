"""What an iteration of the search does: propose, check, train, race."""
