"""What a race of arms means: who is better than whom, by how much, and what could have been seen at all."""
