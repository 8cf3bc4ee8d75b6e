"""A trained model as a folder that is taken away: written, read, exported to ONNX."""
