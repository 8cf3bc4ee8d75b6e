"""What follows the search: the choice, fresh seeds, the test set, the report."""
