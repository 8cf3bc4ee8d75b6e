"""What a person sees: the live display, tables, and how a command ends."""
