"""Data sets in memory, changed in a record or a file, and decoded."""

from dataclasses import replace
from pathlib import Path

from tests.tools.datasets.images import MemorySource
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.types import Dataset


def built(dataset: Dataset, root: Path, size: int = 8, **settings) -> CachedDataset:
    return build_cache(dataset, DataConfig(**settings), size, root)


def changed(dataset: Dataset, number: int, **fields) -> Dataset:
    records = list(dataset.records)
    records[number] = replace(records[number], **fields)
    return replace(dataset, records=tuple(records))


def with_bytes(dataset: Dataset, contents: dict[str, bytes]) -> Dataset:
    assert isinstance(dataset.source, MemorySource)
    return replace(dataset, source=MemorySource({**dataset.source.images, **contents}))
