"""What happens before the loop: checks, consent, how the model begins, in which arithmetic, what is kept open."""
