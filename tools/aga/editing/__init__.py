"""Training images edited whole by image-to-image, as in ALIA (Dunlap et al. 2023)."""
