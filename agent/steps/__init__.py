"""What the nodes of the loop do: one file for each step."""
