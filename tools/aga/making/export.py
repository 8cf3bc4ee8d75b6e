"""Copies the images of a finished set to a folder of the user's, under the names of the photos they were made from."""

import shutil
from collections import Counter
from pathlib import Path, PurePosixPath

import yaml

from tools.aga.store.sets import GeneratedSet
from tools.errors import AugurError
from tools.files import read_checked_json, read_json, write_json
from tools.training.synthetic import DESCRIPTION

MARK = "set.json"
"""In the folder: the key of the set that it is a copy of; written last."""
_LONGEST = 200
"""Bytes of the name of a source that its images are called by: a name of a file has 255 at most."""


def is_copy_of(folder: Path, key: str) -> bool:
    """Whether the folder is a complete copy of the set."""
    return (read_json(folder / MARK) or {}).get("key") == key


def export(made: GeneratedSet, out: Path) -> None:
    """Copy the images, one subfolder for each class, with their provenance and the prompts.

    An image is called as its source, with the number of the copy: `bee/IMG_0042-00.png`. Where two sources of a class
    have one name, their folders are part of it. The column `copied_to` of provenance.parquet has the names.

    Raises:
        AugurError: it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(made.provenance)
    rows = table.select(["training_row", "source_file", "copy", "file"]).to_pylist()
    names = _names(
        {row["training_row"]: (row["source_file"], _folder(row["file"])) for row in rows if row["file"]}
    )
    copies = [
        _copy(names[row["training_row"]], row["copy"], row["file"]) if row["file"] else None for row in rows
    ]
    try:
        for row, copy in zip(rows, copies, strict=True):
            if copy is not None:
                (out / copy).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(made.folder / row["file"], out / copy)
        pq.write_table(
            table.append_column("copied_to", pa.array(copies, pa.string())), out / "provenance.parquet"
        )
        about = read_checked_json(made.folder / DESCRIPTION)
        prompts = yaml.safe_dump(about["prompts"], sort_keys=False, allow_unicode=True)
        (out / "prompts.yaml").write_text(prompts, encoding="utf-8")
        write_json(out / MARK, {"key": made.key}, out)
    except OSError as error:
        raise AugurError(f"--out {out} cannot be written ({error.strerror or error})") from error


def _folder(file: str) -> str:
    """The folder of the class of images/CLASS/…."""
    return PurePosixPath(file).parts[1]


def _copy(name: str, copy: int, file: str) -> str:
    return f"{_folder(file)}/{name}-{copy:02d}{PurePosixPath(file).suffix}"


def _names(sources: dict[int, tuple[str, str]]) -> dict[int, str]:
    """What the images of each source (its file, and the folder of its class) are called, no two alike in a folder on
    any system."""
    stems = {row: _short(PurePosixPath(file).stem) for row, (file, _) in sources.items()}
    alike = Counter((folder, stems[row].casefold()) for row, (_, folder) in sources.items())
    named: dict[int, str] = {}
    taken: set[tuple[str, str]] = set()
    for row, (file, folder) in sources.items():
        name = stems[row]
        if alike[folder, name.casefold()] > 1:
            name = _short(file.replace("/", "-").replace(".", "-"))
        number = 1
        while (folder, name.casefold()) in taken:
            number += 1
            name = f"{stems[row]}-no{number}"
        taken.add((folder, name.casefold()))
        named[row] = name
    return named


def _short(name: str) -> str:
    """The name, cut to the bytes that leave room for the number of a copy and a suffix."""
    return name.encode()[:_LONGEST].decode(errors="ignore")
