"""Running trials in worker processes that can be killed."""
