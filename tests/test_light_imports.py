import subprocess
import sys

import pytest

HEAVY = ["torch", "torchvision", "sklearn", "pandas", "cv2", "mlflow", "langchain", "optuna", "numpy"]


@pytest.mark.parametrize(
    "module",
    [
        "tools.training.config",
        "tools.training.types",
        "tools.training.recipes",
        "tools.training.trial_store",
        "tools.training.epoch_log",
        "tools.execution.config",
        "tools.execution.devices",
        "tools.execution.executor",
    ],
)
def test_what_the_command_line_imports_loads_nothing_heavy(module: str):
    script = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
