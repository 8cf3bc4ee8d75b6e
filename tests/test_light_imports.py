"""Help, errors and lists come at once, because nothing heavy is imported before it is needed."""

import json
import subprocess
import sys

from tests.repository import ROOT

HEAVY = (
    "torch",
    "torchvision",
    "fastapi",
    "sklearn",
    "pandas",
    "cv2",
    "mlflow",
    "langchain",
    "langgraph",
    "optuna",
)
MODULES = (
    "tools.training.config",
    "tools.training.types",
    "tools.training.recipes",
    "tools.training.trial_store",
    "tools.training.epoch_log",
    "tools.execution.config",
    "tools.execution.devices",
    "tools.execution.executor",
    *(
        f"agent.commands.{name}"
        for name in (
            "run",
            "resume",
            "list",
            "show",
            "ui",
            "doctor",
            "generate",
            "simulate",
            "serve",
            "submit",
            "follow",
        )
    ),
    "agent.screen.live",
)
COMMANDS = (
    ("--help",),
    ("run", "--help"),
    ("run", "--epochs", "0"),
    ("serve", "--help"),
    ("follow", "nobody", "--server", "http://127.0.0.1:9"),
    ("datasets",),
    ("datasets", "check", "--help"),
    ("cache", "--runs-dir", "no/runs"),
    ("generate", "--status", "--runs-dir", "no/runs"),
)


def loaded_by(statements: dict[str, str]) -> list[list[str]]:
    """Which of the statements, executed in a new process in this order, loads which heavy library."""
    script = f"""
import json, sys
found = []
for name, statement in {statements!r}.items():
    exec(statement)
    found += [(name, heavy) for heavy in {HEAVY} if heavy in sys.modules]
    if found: break
print(json.dumps(found))
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def test_what_the_command_line_imports_loads_nothing_heavy() -> None:
    assert loaded_by({module: f"import {module}" for module in MODULES}) == []


def test_commands_that_need_nothing_heavy_load_nothing_heavy() -> None:
    run = "import agent.cli; agent.cli.main({!r})"
    assert loaded_by({" ".join(words): run.format(list(words)) for words in COMMANDS}) == []
