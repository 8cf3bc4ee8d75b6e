"""Several trials side by side on one device, fed with augmented epochs that other processes make ahead."""
