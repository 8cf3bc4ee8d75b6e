"""Pictures of a result, as PNG files."""
