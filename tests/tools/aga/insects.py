"""Five photographs of ants and bees, of which one bee is cut out with its flower; as a data set in folders."""

import shutil
from pathlib import Path

FLOWER = "187130242_4593a4c610.jpg"
"""A bee on a flower that is cut out with it."""
PHOTOS = {
    "ants": ["258217966_d9d90d18d3.jpg", "132478121_2a430adea2.jpg"],
    "bees": ["2407809945_fb525ef54d.jpg", "2702408468_d9ed795f4f.jpg", FLOWER],
}


def copy_insects(root: Path, shared_data: Path) -> Path:
    """Copy them to ROOT/train/CLASS, and two others of each class to ROOT/val and ROOT/test; returns ROOT."""
    photos = shared_data / "antsbees2"
    for name, files in PHOTOS.items():
        others = sorted((photos / "val" / name).glob("*.jpg"))
        train = [photos / "train" / name / file for file in files]
        for split, chosen in (("train", train), ("val", others[:2]), ("test", others[2:4])):
            (root / split / name).mkdir(parents=True)
            for photo in chosen:
                shutil.copy(photo, root / split / name)
    return root
