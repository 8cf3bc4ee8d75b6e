"""Networks: built, named, with published weights, or of the user."""
