"""Data sets that come by the name of a collection: torchvision, Hugging Face, MedMNIST."""
