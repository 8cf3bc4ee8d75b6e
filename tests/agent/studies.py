"""Whole studies in tests: the real command line, each session in a process of its own that may die for real.

The processes are forked from a server that has imported Augur once (multiprocessing's `forkserver`), since importing
torch, MLflow and LangGraph takes longer than most of the sessions. `spawned` starts one the long way.

What makes a study cheap here: trainings of a fraction of a second (`TINY`); a store whose tables exist already (the
fixture `runs`); and, where training is not what is tested, the trials of another study (`copy_trials`), which are found
by their keys. All demo studies train alike, so that these keys are the same.
"""

import json
import multiprocessing
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agent as product
from agent.memory import Tracking
from agent.memory.tracking.store import sqlite_uri
from tests.repository import ROOT
from tools.execution.worker_process import Server, join_server, running_server

MODEL = f"{ROOT / 'tests/agent/tiny_net.py'}:make"
TINY = (
    f"--model {MODEL} --image-size 16 --epochs 2 --training.batch_size 10 --training.learning_rate 0.01 "
    "--execution.workers 1 --execution.threads 1 --data.decode_workers 1 --report.explain off"
)
SMALL = (
    f"--dataset demo {TINY} --seeds 2 --iterations 2 --search.choosing_seeds 3 "
    "--search.final_seeds 3 --search.top_k 2 "
    "--search.baselines trivial_augment_wide --search.backgrounds off"
)
SHORT = (
    f"--dataset demo {TINY} --seeds 1 --iterations 2 --search.choosing_seeds 1 --search.final_seeds 2 --search.top_k 1 "
    "--search.baselines []"
)
NODES = ["prepare", "propose", "vet", "realise", "train", "judge", "finalise"]
# Seconds differ from run to run; everything else must not.
TIMES = {"training_seconds", "seconds_outside_training"}
PATIENCE = 280
"""Seconds that one session may take."""

_forkserver = multiprocessing.get_context("forkserver")
_PRODUCT = [m.name for m in pkgutil.walk_packages(product.__path__, "agent.") if m.name != "agent.__main__"]
# What a study imports only on its way.
_LATER = [
    "mlflow.store.tracking.sqlalchemy_store",
    "alembic.command",
    "optuna",
    "matplotlib.figure",
    "jinja2",
]
_forkserver.set_forkserver_preload([*_PRODUCT, *_LATER])


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    returncode: int
    stdout: str
    stderr: str


def environment(**more: str) -> dict[str, str]:
    """This process's, without keys, stores or settings of whoever runs the tests."""
    keys = ("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "MLFLOW_TRACKING_URI", "COLUMNS")
    clean = {k: v for k, v in os.environ.items() if k not in keys and not k.startswith("AGENT_")}
    return {**clean, **more}


def session(
    folder: str, moment: str, arguments: tuple[str, ...], env: dict[str, str], within: Path = ROOT
) -> Any:
    """A process that will run one session, once it is started; what it prints goes to files in `folder`."""
    return _forkserver.Process(target=_play, args=(running_server(), folder, moment, arguments, env, within))


def agent(
    *arguments: str, moment: str = "none", env: dict[str, str] | None = None, within: Path = ROOT
) -> Ended:
    """One session of the command line; `moment` says when it dies, see `tests/agent/drive.py`.

    `within` is its working directory, where data sets that are known by name are looked for (data/NAME).
    """
    with tempfile.TemporaryDirectory() as folder:
        for name in ("stdout", "stderr"):  # a session may be killed before it has made them
            (Path(folder) / name).touch()
        process = session(folder, moment, arguments, env or environment(), within)
        process.start()
        process.join(PATIENCE)
        late = process.is_alive()
        if late:
            process.kill()
            process.join()
        out, err = ((Path(folder) / name).read_text() for name in ("stdout", "stderr"))
        assert not late, f"agent {' '.join(arguments)} took more than {PATIENCE} s:\n{out}{err}"
        assert process.exitcode is not None
        return Ended(process.exitcode, out, err)


def spawned(*arguments: str, moment: str = "none", env: dict[str, str] | None = None) -> Ended:
    """The same in a process that Python starts from nothing."""
    command = [sys.executable, str(ROOT / "tests/agent/drive.py"), moment, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env=env or environment(), cwd=ROOT, timeout=PATIENCE
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _play(
    server: Server, folder: str, moment: str, arguments: tuple[str, ...], env: dict[str, str], within: Path
) -> None:
    join_server(server)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(within)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a suite run in the background ignores
    sys.argv = ["agent", moment, *arguments]
    from tests.agent.drive import main

    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def copy_trials(source: Path, runs: Path) -> None:
    """Gives the studies of `runs` the trials that those of `source` trained, and their decoded images."""
    for name in ("trials", "cache"):
        shutil.copytree(source / name, runs / name, dirs_exist_ok=True)


def run(runs: Path, *more: str, size: str = SMALL, **how: Any) -> Ended:
    """`agent run`: a small study named s."""
    return agent("run", *size.split(), "--study", "s", "--runs-dir", str(runs), *more, **how)


def resume(runs: Path, **how: Any) -> Ended:
    """`agent resume` of that study."""
    return agent("resume", "s", "--runs-dir", str(runs), **how)


def tracking(runs: Path) -> Tracking:
    """The store, opened at the study s."""
    found = Tracking(sqlite_uri(runs / "mlflow.db"), runs / "artifacts")
    assert found.find_study("s")
    return found


def outcome(runs: Path) -> dict[tuple[str, ...], dict[str, float]]:
    """Every run of the study by its tags, with its scores."""
    store = tracking(runs)
    found = store.client.search_runs([store.experiment_id], "tags.study = 's'", max_results=1000)
    names = ("kind", "phase", "candidate", "seed", "trial_key", "policy")
    rows = {}
    for item in found:
        identity = tuple(item.data.tags.get(name, "") for name in names)
        assert identity not in rows, f"{identity} is there twice"
        rows[identity] = {k: v for k, v in item.data.metrics.items() if k not in TIMES}
    return rows


def conclusions(runs: Path, study: str = "s") -> list[str]:
    """The report without what differs between equal studies: its name and place, and how long it took."""
    own = ("| MLflow", "| spent", "| study |", "# study:")
    report = (runs / "studies" / study / "report.md").read_text()
    kept = "\n".join(line for line in report.splitlines() if not line.startswith(own))
    # Comments of the policy as code are wrapped by the length of the paths in them.
    return kept.replace("\n# ", " ").replace(str(runs), "RUNS").splitlines()


def ledger(runs: Path, study: str = "s") -> list[dict[str, Any]]:
    """The events of the ledger."""
    return [json.loads(line) for line in (runs / "studies" / study / "ledger.jsonl").read_text().splitlines()]
