"""What a synthetic image must pass before it is trained on."""
