"""Runs the real command line in a process of its own that dies for real at a given moment.

    python tests/agent/drive.py before:NODE | after:NODE | epoch:N | none  COMMAND …

`before:NODE` and `after:NODE` end the process with SIGKILL when that node of the loop is about to begin, or has done
its work and is not yet checkpointed; `between:NODE` when what that node returned is written down and the step is not
(`between:__start__`: before the first node); `epoch:N` when the N-th epoch of any trial has been reported. `workers:N`
kills the worker processes, not this one, at that epoch. `interrupt:N` and `terminate:N` send SIGINT or SIGTERM instead.
`fails:SEED` lets the first trial of that seed fail.
`generate:STAGE` kills it while synthetic images are made, `decoding` when images are about to be decoded.
"""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from agent import cli


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm_node(moment: str, name: str) -> None:
    from agent import nodes

    node = getattr(nodes, name)

    def fatal(state, runtime):
        if moment == "before":
            _die()
        result = node(state, runtime)
        _die()
        return result

    setattr(nodes, name, fatal)


def _arm_between(name: str) -> None:
    from langgraph.checkpoint.sqlite import SqliteSaver

    from agent import nodes

    ended = name == "__start__"
    if not ended:
        node = getattr(nodes, name)

        def noted(state, runtime):
            nonlocal ended
            result = node(state, runtime)
            ended = True
            return result

        setattr(nodes, name, noted)
    put_writes = SqliteSaver.put_writes

    def fatal(self, *arguments, **named):
        put_writes(self, *arguments, **named)
        if ended:
            _die()

    SqliteSaver.put_writes = fatal


def _arm_epoch(action: str, count: int) -> None:
    from agent.memory import Tracking

    log_epoch = Tracking.log_epoch
    seen = 0

    def counted(self, run_id, report):
        nonlocal seen
        log_epoch(self, run_id, report)
        seen += 1
        if seen != count:
            return
        match action:
            case "epoch":
                _die()
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            case "terminate":
                os.kill(os.getpid(), signal.SIGTERM)
            case "workers":
                for child in multiprocessing.active_children():
                    child.kill()

    Tracking.log_epoch = counted


def _arm_failure(seed: int) -> None:
    """The first trial of that seed fails, as one does whose worker died three times."""
    from tools.execution.local import LocalExecutor
    from tools.training.failures import failed
    from tools.training.types import TrialEvent

    train = LocalExecutor.train

    def partly(self, specs, on_event):
        bad = next((spec for spec in specs if spec.seed == seed), None)
        for spec in [bad] if bad else []:
            result = failed(spec, "worker_died", "its worker died three times", {}, 0.1)
            on_event(TrialEvent(spec.key, "ended", result=result))
            yield result
        yield from train(self, [spec for spec in specs if spec is not bad], on_event)

    LocalExecutor.train = partly


def _arm_stage(stage: str) -> None:
    """Dies in the middle of making synthetic images."""
    from agent.images import synthesis

    generate = synthesis.generate

    def fatal(request, open_tools, on_progress, *more):
        def counted(name: str, done: int, total: int) -> None:
            on_progress(name, done, total)
            if name == stage and done > 0:
                _die()

        return generate(request, open_tools, counted, *more)

    synthesis.generate = fatal


def main() -> int:
    moment, _, where = sys.argv[1].partition(":")
    if moment in ("before", "after"):
        _arm_node(moment, where)
    elif moment == "between":
        _arm_between(where)
    elif moment == "decoding":
        from agent.starting import startup

        startup.build_cache = lambda *arguments: _die()  # pyright: ignore[reportAttributeAccessIssue]
    elif moment == "fails":
        _arm_failure(int(where))
    elif moment == "generate":
        _arm_stage(where)
    elif moment != "none":
        _arm_epoch(moment, int(where))
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
