"""The report of a study: what was chosen, by how much it won or that it did not, and what that rests on."""
