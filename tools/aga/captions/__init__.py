"""From a prompt set to captions: combinations, captioners, and words that a caption must not contain."""
