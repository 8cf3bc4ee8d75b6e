"""AGA: new training images from old ones, with the subject kept and a new background.

detect (superclass → box) → segment (box → mask) → caption (instruction × setting × time → text) → background (text →
image) → compose (subject, flipped, rotated and scaled, onto background). After "Data Augmentation for Image
Classification using Generative AI" (AGA), sections 4 and A.2.
"""
