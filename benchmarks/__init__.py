"""The speed claims, each as a script that anyone can run, measured against the alternative in the same run."""
