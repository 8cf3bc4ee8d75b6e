"""What a study's result means: its winner against no augmentation, after the test set was opened."""
