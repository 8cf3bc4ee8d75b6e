"""From training images to a set of synthetic ones: subjects, backgrounds, composites, gates, in this order; or, as in
ALIA, captions, edits, gates.

Every step works in shards and records each one when it is done, so that memory does not grow with the number of
images, and an interrupted set resumes where it was and comes out the same to the last byte. A finished set never
changes:

    sets/KEY/
      images/CLASS/…       the synthetic images
      pixels.npy           uint8 (M, S, S, 3): as composed, at training size; what training reads
      labels.npy           int64 (M,)
      sources.npy          int64 (M,), the training row of each
      provenance.parquet   and sources.parquet, backgrounds.parquet: see `provenance.py`
      pieces.json          the masks and backgrounds it was made from
      set.json             written last: what has one is finished
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

from tools.aga.making.chain import EditingTools, StageProgress, Tools
from tools.aga.making.request import Request
from tools.aga.making.set_keys import request_key, set_key
from tools.aga.store.disk_space import check_room, disk_errors_explained, disk_usage
from tools.aga.store.pieces import known_file, set_folder, writing_set
from tools.aga.store.sets import GeneratedSet, discard, open_finished
from tools.errors import AugurError
from tools.files import DamagedFile, read_checked_json, write_checked_json

_log = logging.getLogger(__name__)


def generate(
    request: Request,
    tools: Tools | EditingTools | Callable[[], Tools | EditingTools],
    on_progress: StageProgress,
    makes: bool = True,
) -> GeneratedSet:
    """Make a set of synthetic images, or open the one that an earlier call made for an equal request.

    One that was damaged since it was made is made again, to the last byte, with a warning in the log. Safe to be killed
    at any point, and to be called by several processes at once (one makes a set, the others wait).

    Args:
        request: what is to be made.
        tools: or a function that loads them, called only if they are needed: a request that was answered before, under
            the same settings, files and code, is answered without them.
        on_progress: see `StageProgress`.
        makes: False: only a set that is there already is opened.

    Raises:
        ConfigurationError: a setting makes no image.
        DataError: a source is gone or broken.
        DiskFullError: there is no room for it.
        AugurError: no source has a usable subject, no background passed the gates, or, without `makes`, the set is not
            there.
    """
    root, name = request.root, None
    if not isinstance(tools, Tools | EditingTools):
        name = request_key(request)
        known = _known_set(known_file(root, name)) if name else None
        finished = _finished(root, known) if known else None
        if finished:
            return finished
        tools = tools()
    key = set_key(request, tools.identities)
    made = _finished(root, key)
    if made is None and not makes:
        raise AugurError(f"the set of synthetic images {key[:12]} is not in {root}")
    made = made or _make(request, tools, key, on_progress)
    if name:
        with disk_errors_explained(root, 0):
            file = known_file(root, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_checked_json(file, {"set": key}, file.parent)
    return made


def _make(
    request: Request, tools: Tools | EditingTools, key: str, on_progress: StageProgress
) -> GeneratedSet:
    root, needed = request.root, _bytes_needed(request)
    check_room(root, max(0, needed - disk_usage(set_folder(root, key))), request.config.max_disk_gib)
    with writing_set(root, key) as folder, disk_errors_explained(root, needed):
        made = _finished(root, key)
        if made is None:
            discard(root, key)
            # OpenCV and pyarrow are loaded only where there is something to make.
            from tools.aga.making.work_folder import WorkFolder

            work = WorkFolder(folder)
            if isinstance(tools, EditingTools):
                from tools.aga.making.edited_set import EditedSetMaker

                EditedSetMaker(request, tools, work, needed).run(key, on_progress)
            else:
                from tools.aga.making.set_maker import SetMaker

                SetMaker(request, tools, work, needed).run(key, on_progress)
            made = cast(GeneratedSet, open_finished(root, key))
    return made


def _known_set(file: Path) -> str | None:
    """The key that an equal request came to, where that is known."""
    try:
        return read_checked_json(file).get("set")
    except (FileNotFoundError, DamagedFile):
        return None


def _finished(root: Path, key: str) -> GeneratedSet | None:
    try:
        return open_finished(root, key)
    except DamagedFile as damage:
        _log.warning("%s: this set of synthetic images is made again", damage)
        return None


def _bytes_needed(request: Request) -> int:
    """At most: uncompressed where it is not known how well it compresses."""
    compose, side, size = request.config.compose, request.background_size, request.image_size
    file = side * side * (3 if compose.format == "png" else 1)
    masks = len(request.sources) * compose.max_side**2 // 16
    return request.images * (size * size * 3 + file) + request.backgrounds * side * side * 3 + masks
