"""AGA: new training images from old ones, with the subject kept and the background made anew.

detect (superclass → box) → segment (box → mask) → caption (instruction × setting × time → text) → background (text →
image) → compose (subject, flipped, turned and scaled, onto background). After "Data Augmentation for Image
Classification using Generative AI" (AGA), sections 4 and A.2.
"""
