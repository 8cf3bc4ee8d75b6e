"""Back ends that make backgrounds from captions."""
