"""U²-Netp, which finds and outlines what a photograph shows; its weights are in this folder (`ORIGIN.md`)."""
