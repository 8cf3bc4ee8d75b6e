"""Synthetic images made on the nodes of a Ray cluster: the tools of `tools.aga`, each with its work done by actors.

They take the place of this machine's own (`tools.aga.making.chain.Tools`), so that whoever makes a set knows nothing of
Ray. What a node makes is a function of what it is sent, and this machine writes it into the store, so a set comes out
the same to the last byte, and one whose making was interrupted resumes as it does locally. An actor that is lost, with
or without its node, is replaced, and what it was doing is done again, twice at most.

An actor takes no CPU of Ray's books: workers of trials, which wait meanwhile, hold those. Where models need a GPU, it
takes the share that workers of trials leave (`plans.IMAGES_SHARE`).
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from tools.aga.backgrounds.diffusion import diffusion_identity
from tools.aga.backgrounds.diffusion_loading import check_sources
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.config import AgaConfig
from tools.aga.making.chain import Tools
from tools.aga.making.composing import Pasted, SentShard
from tools.aga.types import BackgroundMaker, Box, Detector, FindsSubjects, Segmenter, SourceImage
from tools.errors import AugurError, first_line
from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan
from tools.execution.on_ray.cluster import ClusterFault, connect, import_ray
from tools.execution.on_ray.executors import ray_plans
from tools.execution.on_ray.image_host import ImageHost
from tools.execution.on_ray.losses import is_loss, loss_of
from tools.execution.on_ray.plans import IMAGES_SHARE

_log = logging.getLogger(__name__)

_RETRIES = 2
"""Of a call whose actor was lost."""
_AHEAD = 2
"""Calls for each actor: one that it does, and one that is on its way."""
_ROOM_SECONDS = 30.0
"""That actors may take to start before that is told."""
_PART = 4
"""Pictures of a call; as many as `aga.background.batch_size` where models make them."""


@dataclass
class _Actor:
    handle: Any
    starting: Any
    """What Ray gives for its first call, until that is answered."""
    calls: int = 0


class ImageWorkers:
    """The actors of this process. Light until the first call, which starts them; `close` ends them."""

    def __init__(self, execution: ExecutionConfig, config: AgaConfig, plans: list[WorkerPlan]) -> None:
        """One actor for each of `plans`, as `ray_plans` has them."""
        self._execution, self.config, self._plans = execution, config, plans
        self._lost_at_start = 0
        self._actors: list[_Actor] = []
        self._free = threading.Condition(threading.RLock())
        self._ray: Any = None

    @property
    def device(self) -> str:
        """That models are on."""
        return self._plans[0].device

    @property
    def at_once(self) -> int:
        """Calls that are worth making at a time, from as many threads."""
        return _AHEAD * len(self._plans)

    def call(self, step: str, *arguments: Any) -> Any:
        """What a method of `ImageHost` returns, on whichever actor is free. From any thread.

        Raises:
            ClusterFault: the cluster is gone.
            AugurError: the step failed there, or three actors were lost with it.
        """
        losses: list[str] = []
        while len(losses) <= _RETRIES:
            actor = self._taken()
            try:
                answer = self._ray.get(actor.handle.do.remote(step, *arguments))
            except Exception as error:  # Ray raises many kinds
                if not is_loss(error):
                    raise _gone(error) from error
                losses.append(loss_of(error, "").text.removeprefix("its worker on "))
                self._replace(actor)
                if len(losses) <= _RETRIES:
                    _log.warning(
                        "Making images: %s; what it was doing is done again (try %d of %d).",
                        losses[-1],
                        len(losses) + 1,
                        _RETRIES + 1,
                    )
                continue
            finally:
                with self._free:
                    actor.calls -= 1
                    self._free.notify_all()
            if isinstance(answer, AugurError):
                raise answer
            return answer
        raise AugurError(
            f"making images: {len(losses)} workers were lost at the same step '{step}', the last one: {losses[-1]}. "
            "Out of memory is the usual cause: try fewer execution.workers, or nodes with more memory. What has been "
            "made is kept: run again"
        )

    def paste(self, shard: SentShard) -> list[Pasted]:
        """See `tools.aga.making.chain.ShardPaster`."""
        return self.call("paste", shard)

    def close(self) -> None:
        """End the actors; the next call starts new ones."""
        with self._free:
            actors, self._actors = self._actors, []
        for actor in actors:
            self._end(actor)

    def _taken(self) -> _Actor:
        """The actor that has started and has the fewest calls; waits for one."""
        with self._free:
            if not self._actors:
                connect(self._execution)
                self._ray = import_ray()
                self._actors = [self._start() for _ in self._plans]
            waited = 0.0
            while True:
                starting = [actor for actor in self._actors if actor.starting is not None]
                if starting:
                    self._see(starting)
                ready = [actor for actor in self._actors if actor.starting is None and actor.calls < _AHEAD]
                if ready:
                    chosen = min(ready, key=lambda actor: actor.calls)
                    chosen.calls += 1
                    return chosen
                none_started = len(starting) == len(self._actors)
                self._free.wait(0.1)
                waited += 0.1
                if none_started and waited - 0.1 < _ROOM_SECONDS <= waited:
                    needs = f" with {IMAGES_SHARE:g} of a GPU" if self._gpus else ""
                    _log.warning(
                        "Making images: no node of the Ray cluster has room for a worker%s: waiting.", needs
                    )

    def _see(self, starting: list[_Actor]) -> None:
        """Notice which actors have started; replace those that were lost before they had."""
        for actor in starting:
            try:
                ready, _ = self._ray.wait([actor.starting], timeout=0)
                if ready:
                    self._ray.get(actor.starting)
                    actor.starting = None
            except Exception as error:
                self._lost_at_start += 1
                if not is_loss(error) or self._lost_at_start > _RETRIES:
                    raise _gone(error) from error
                self._replace(actor)

    def _start(self) -> _Actor:
        try:
            kind = self._ray.remote(ImageHost).options(
                num_cpus=0,
                num_gpus=self._gpus,
                max_restarts=0,
                max_task_retries=0,
                scheduling_strategy="SPREAD",
            )
            handle = kind.remote(self.config, self._plans[0].threads)
            return _Actor(handle, handle.ready.remote())
        except Exception as error:
            raise _gone(error) from error

    @property
    def _gpus(self) -> float:
        return IMAGES_SHARE if self.device.startswith("cuda") and needs_gpu(self.config) else 0.0

    def _replace(self, lost: _Actor) -> None:
        with self._free:
            if lost in self._actors:
                self._actors.remove(lost)
                self._end(lost)
                self._actors.append(self._start())

    def _end(self, actor: _Actor) -> None:
        with suppress(Exception):  # it has ended, or the cluster has
            self._ray.kill(actor.handle)


def _gone(error: BaseException) -> ClusterFault:
    return ClusterFault(
        f"the Ray cluster makes no images any more ({type(error).__name__}: {first_line(error)}): check that it runs "
        "(ray status), and run again; what has been made is kept"
    )


def needs_gpu(config: AgaConfig) -> bool:
    """Whether a step has a model that a GPU makes faster."""
    return (
        config.background.kind == "diffusion"
        or config.detector.kind not in ("none", "dataset")
        or config.segmenter.kind in ("sam", "sam2", "sam3")
    )


class RayDetector:
    """A detector whose batches are searched on nodes."""

    def __init__(self, local: Detector, workers: ImageWorkers, batch: int) -> None:
        """`local` is asked for its identity alone; a batch has `batch` images."""
        self.identity = local.identity
        self._workers, self._batch = workers, batch

    def detect(self, images: Sequence[SourceImage], subject: str) -> list[list[Box]]:
        """See `Detector`."""
        parts = [images[start : start + self._batch] for start in range(0, len(images), self._batch)]
        with ThreadPoolExecutor(self._workers.at_once) as pool:
            found = pool.map(lambda part: self._workers.call("detect", part, subject), parts)
            return [boxes for part in found for boxes in part]


class RaySegmenter:
    """A segmenter whose images are cut out on nodes."""

    in_threads = True

    def __init__(self, local: Segmenter, workers: ImageWorkers) -> None:
        """`local` is asked for its identity alone."""
        self.identity, self._workers = local.identity, workers

    @property
    def at_once(self) -> int:
        """Threads to call it from."""
        return self._workers.at_once

    def segment(self, image: SourceImage, boxes: Sequence[Box]) -> list[np.ndarray]:
        """See `Segmenter`."""
        return self._workers.call("segment", image, boxes)


class RaySubjectFinder(RaySegmenter):
    """One that needs no box."""

    def find(self, image: SourceImage) -> tuple[np.ndarray, Box | None]:
        """See `FindsSubjects`."""
        return self._workers.call("find", image)


class RayMaker:
    """A background maker whose pictures are made on nodes."""

    def __init__(self, identity: str, workers: ImageWorkers, part: int) -> None:
        """`part`: pictures of a call, at most."""
        self.identity = identity
        self._workers, self._part = workers, part

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """See `BackgroundMaker`."""
        edges = [*range(0, len(captions), self._part), len(captions)]
        with ThreadPoolExecutor(self._workers.at_once) as pool:
            made = pool.map(
                lambda part: self._workers.call("make", captions[part], seeds[part], size),
                [slice(start, stop) for start, stop in pairwise(edges)],
            )
            return [picture for part in made for picture in part]


def image_workers(execution: ExecutionConfig, config: AgaConfig) -> ImageWorkers:
    """As many as trials have.

    Raises:
        AugurError: there is no cluster, or it has no such devices.
    """
    return ImageWorkers(execution, config, ray_plans(execution))


def maker_on_nodes(workers: ImageWorkers) -> BackgroundMaker:
    """As `make_background_maker`, with pictures made on nodes. Photos of a folder are read here.

    A model has to be found here as well: pictures are named by its content.

    Raises:
        ConfigurationError: as `make_background_maker`.
    """
    settings = workers.config.background
    if settings.kind == "folder":
        return make_background_maker(settings)
    if settings.kind != "diffusion":
        return RayMaker(make_background_maker(settings).identity, workers, _PART)
    check_sources(settings)
    device = workers.device if settings.devices == "auto" else settings.devices
    return RayMaker(diffusion_identity(settings, device), workers, settings.batch_size)


def on_nodes(tools: Tools, workers: ImageWorkers) -> Tools:
    """The same tools, whose work nodes do. Boxes and masks that the data set has are read here.

    Args:
        tools: of this machine, and a maker from `maker_on_nodes`.
        workers: made with the settings of the tools.
    """
    config, detector, segmenter = workers.config, tools.detector, tools.segmenter
    if config.detector.kind not in ("none", "dataset"):
        detector = RayDetector(detector, workers, config.detector.batch_size)
    if config.segmenter.kind != "dataset":
        kind = RaySubjectFinder if isinstance(segmenter, FindsSubjects) else RaySegmenter
        segmenter = kind(segmenter, workers)
    return replace(tools, detector=detector, segmenter=segmenter, paster=workers)
