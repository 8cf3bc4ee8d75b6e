"""Training one classifier under one policy, exactly repeatable and resumable."""
