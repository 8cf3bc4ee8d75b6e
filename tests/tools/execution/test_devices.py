import os

import pytest
import torch

from tools.errors import ConfigurationError
from tools.execution.config import ExecutionConfig
from tools.execution.devices import WorkerPlan, plan_for, plan_workers
from tools.machine import usable_cores

TWO_GPUS = ["cuda:0", "cuda:1"]


def test_a_cpu_is_shared_out_among_trials():
    for cores, workers, threads in ((1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 2, 2), (8, 2, 4), (32, 8, 4)):
        assert plan_for(ExecutionConfig(), [], cores) == [WorkerPlan("cpu", threads)] * workers


def test_workers_asked_for_share_the_cores():
    assert plan_for(ExecutionConfig(workers=2), [], 16) == [WorkerPlan("cpu", 8)] * 2
    assert plan_for(ExecutionConfig(workers=5), [], 2) == [WorkerPlan("cpu", 1)] * 5


def test_threads_asked_for_decide_the_workers():
    assert plan_for(ExecutionConfig(threads=3), [], 8) == [WorkerPlan("cpu", 3)] * 2
    assert plan_for(ExecutionConfig(threads=16), [], 8) == [WorkerPlan("cpu", 16)]


def test_each_gpu_has_a_worker():
    assert plan_for(ExecutionConfig(), TWO_GPUS, 16) == [WorkerPlan("cuda:0", 8), WorkerPlan("cuda:1", 8)]


def test_more_workers_than_gpus_share_them_in_turn():
    plans = plan_for(ExecutionConfig(workers=3, threads=2), TWO_GPUS, 16)
    assert plans == [WorkerPlan("cuda:0", 2), WorkerPlan("cuda:1", 2), WorkerPlan("cuda:0", 2)]


def test_fewer_workers_than_gpus_leave_some_idle():
    assert plan_for(ExecutionConfig(workers=1), TWO_GPUS, 16) == [WorkerPlan("cuda:0", 16)]


def test_cpu_is_used_where_it_is_asked_for():
    assert {plan.device for plan in plan_workers(ExecutionConfig(device="cpu"))} == {"cpu"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_that_is_not_there_is_refused_with_a_remedy():
    with pytest.raises(ConfigurationError, match=r"execution\.device: cuda.*execution\.device=auto"):
        plan_workers(ExecutionConfig(device="cuda"))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an MPS device")
def test_mps_that_is_not_there_is_refused_with_a_remedy():
    with pytest.raises(ConfigurationError, match=r"execution\.device: mps.*execution\.device=auto"):
        plan_workers(ExecutionConfig(device="mps"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_cores_that_this_process_may_not_use_do_not_count():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
