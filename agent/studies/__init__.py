"""What is done with studies that exist: listed, evaluated, explained, reported, exported, deleted."""
