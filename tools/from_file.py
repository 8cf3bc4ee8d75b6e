"""Objects of the user's own code: a model's function or a transform, named as `path/to/file.py:name`.

They go between processes by name, and every process loads them itself: what a user's file defines cannot always be
pickled. Their source's digest is part of a trial's key, so that a file that was edited is never taken for what was
trained. Light: runs nothing until an object is loaded.
"""

import ast
import hashlib
import importlib
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.errors import ConfigurationError, did_you_mean, first_line

_PINNED = re.compile(r"^(?P<reference>.+)@(?P<digest>[0-9a-f]{64})$")
_FORMS = "write it as path/to/file.py:name, or as package.module:name where it is installed"


def is_reference(text: str) -> bool:
    """Whether `text` has the form of a name in a file or module: 'path/to/file.py:name' or 'package.module:name'.

    Nothing is read. `torchvision:resnet18` has that form too: whoever knows other prefixes looks for these first.
    """
    place, separator, name = text.strip().rpartition(":")
    parts = name.split(".")
    if not separator or not all(part.isidentifier() for part in parts):
        return False
    return _is_file(place) or all(part.isidentifier() for part in place.split("."))


def absolute(reference: str) -> str:
    """`reference` with the whole path of its file, which holds in every process; a module's is left as it is."""
    place, name = _parts(reference)
    return f"{Path(place).expanduser().resolve()}:{name}" if _is_file(place) else f"{place}:{name}"


def load(reference: str, setting: str, digest: str | None = None) -> Any:
    """The object that `reference` names. A file is run once in a process, and again only if it was edited.

    Args:
        reference: 'path/to/file.py:name' (relative to the current folder) or 'package.module:name'; the name may have
            dots (`Class.method`).
        setting: that it was given by, which errors name, such as 'model.name'.
        digest: as `source_digest` gave it; None means as the source is now.

    Raises:
        ConfigurationError: there is no such file, module or name, it cannot be run, or its source was changed since
            `digest` was taken.
    """
    place, name = _parts(reference, setting)
    now = source_digest(reference, setting)
    if digest is not None and digest != now:
        raise ConfigurationError(
            f"{reference} ({setting}) was edited since it was first used here: its results would mix two versions. "
            "Restore the file, or begin a new study"
        )
    found: Any = _run_file(Path(place).expanduser().resolve(), now, setting) if _is_file(place) else None
    if found is None:
        found = _import(place, setting)
    for part in name.split("."):
        known = [each for each in dir(found) if not each.startswith("_")]
        if not hasattr(found, part):
            hint = did_you_mean(part, known) or f"it has {', '.join(known[:20]) or 'no names'}"
            raise ConfigurationError(f"{place} has no {name!r} ({setting}): {hint}")
        found = getattr(found, part)
    return found


def source_digest(reference: str, setting: str = "") -> str:
    """Hex SHA-256 of the source that `reference` names, and of what it imports from beside it.

    That is its file, and the files in its folder (for a module: in its package) that it imports by name, directly or by
    way of others. What it reads otherwise, and the versions of installed packages, do not count.

    Raises:
        ConfigurationError: there is no such file or module.
    """
    place, _ = _parts(reference, setting)
    if _is_file(place):
        file = Path(place).expanduser().resolve()
        if not file.is_file():
            raise ConfigurationError(f"there is no file {file}{_by(setting)}: {_FORMS}")
        root, within = file.parent, None
    else:
        file = _module_file(place, setting)
        within, depth = place.split(".")[0], len(place.split("."))
        root = file.parents[depth if file.name == "__init__.py" else depth - 1]
    digest = hashlib.sha256()
    for name, content in sorted(_sources(file, root, within).items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def is_pinned(text: str) -> bool:
    """Whether `text` is a reference with the digest of its source, as `pinned` gives it."""
    found = _PINNED.match(text)
    return found is not None and is_reference(found["reference"])


def pinned(text: str) -> str:
    """`text` with the whole path of its file, and '@' and the digest of its source; one that has these stays as it is.

    Raises:
        ConfigurationError: there is no such file or module.
    """
    text = text.strip()
    return text if is_pinned(text) else f"{absolute(text)}@{source_digest(text)}"


def parts(text: str) -> tuple[str, str]:
    """(reference, digest) of what `pinned` gave."""
    found = _PINNED.match(text)
    assert found is not None
    return found["reference"], found["digest"]


def short_name(text: str) -> str:
    """How what `pinned` gave is shown: 'own.py:augment', or 'package.module:augment'."""
    place, _, attribute = parts(text)[0].rpartition(":")
    return f"{Path(place).name if _is_file(place) else place}:{attribute}"


def _parts(reference: str, setting: str = "") -> tuple[str, str]:
    if not is_reference(reference):
        raise ConfigurationError(f"{reference!r}{_by(setting)} names nothing in a file or module: {_FORMS}")
    place, _, name = reference.strip().rpartition(":")
    return place, name


def _is_file(place: str) -> bool:
    return place.endswith(".py")


def _by(setting: str) -> str:
    return f" ({setting})" if setting else ""


def _run_file(file: Path, digest: str, setting: str) -> ModuleType:
    """The module that `file` makes; known by its digest, so that it is run once."""
    name = f"augur_user_{file.stem if file.stem.isidentifier() else 'file'}_{_short(file)}_{digest[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    if str(file.parent) not in sys.path:  # last, so that nothing installed is shadowed by it
        sys.path.append(str(file.parent))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _cannot_run(file, error, setting) from error
    return module


def _short(file: Path) -> str:
    return hashlib.sha256(str(file).encode()).hexdigest()[:8]


def _import(place: str, setting: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except Exception as error:
        raise _cannot_run(place, error, setting) from error


def _module_file(place: str, setting: str) -> Path:
    try:
        spec = importlib.util.find_spec(place)
    except (ImportError, ValueError):
        spec = None
    except Exception as error:  # a parent package is run in order to look in it
        raise _cannot_run(place, error, setting) from error
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        raise ConfigurationError(
            f"there is no module {place!r}{_by(setting)}: install its package in this environment, or name its file "
            f"(path/to/{place.rpartition('.')[2]}.py:name)"
        )
    return Path(spec.origin)


def _cannot_run(place: Path | str, error: Exception, setting: str) -> ConfigurationError:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if isinstance(place, Path) and Path(frame.filename) == place]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if own else None
    where = f"{place}, line {line}" if line else str(place)
    return ConfigurationError(
        f"cannot run {where}{_by(setting)}: {type(error).__name__}: {first_line(error)}. It must run in this "
        f"environment ({sys.prefix})"
    )


def _sources(file: Path, root: Path, within: str | None) -> dict[str, bytes]:
    """Path within `root` → content, of `file` and of all that it imports from there (`within`: from that package)."""
    found: dict[str, bytes] = {}
    waiting = [file]
    while waiting:
        each = waiting.pop()
        name = each.relative_to(root).as_posix()
        if name in found:
            continue
        try:
            found[name] = each.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"cannot read {each}: {error.strerror}") from error
        if each.suffix == ".py":
            waiting += _imported(each, found[name], root, within)
    return found


def _imported(file: Path, content: bytes, root: Path, within: str | None) -> list[Path]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return []  # said when it is run
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.parent.relative_to(root).parts if node.level else ()
            package = package[: len(package) - (node.level - 1)] if node.level else ()
            base = ".".join(filter(None, (*package, node.module or "")))
            names.add(base)
            names.update(f"{base}.{alias.name}" if base else alias.name for alias in node.names)
    return [
        place
        for name in sorted(names)
        if name and (within is None or name.split(".")[0] == within)
        for place in _files_of(name.split("."), root)
    ]


def _files_of(parts: list[str], root: Path) -> list[Path]:
    """The files under `root` that are run by importing the module of these names: its packages', then its own."""
    places = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [place for place in (*places, root.joinpath(*parts).with_suffix(".py")) if place.is_file()]
