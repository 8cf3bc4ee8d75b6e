"""The model that a user takes away from a study."""
