"""The store of masks, backgrounds and finished sets on disk."""
