"""The MLflow store under a study's records: opened, checked, repaired, moved."""
