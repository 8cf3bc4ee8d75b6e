import pytest

from tools.errors import ConfigurationError
from tools.training.hardware import precision_for


def test_the_precision_follows_from_device_and_setting():
    for device, amp, bf16, name, scaled in (
        ("cuda:0", "auto", True, "bf16", False),
        ("cuda:0", "auto", False, "fp16", True),
        ("cuda", "bf16", True, "bf16", False),
        ("cuda:1", "fp16", True, "fp16", True),
        ("cuda:0", "off", True, "fp32", False),
        ("mps", "auto", None, "fp32", False),
        ("mps", "off", None, "fp32", False),
        ("cpu", "auto", None, "fp32", False),
        ("cpu", "off", None, "fp32", False),
        ("cpu", "bf16", None, "bf16", False),
    ):
        precision = precision_for(device, amp, bf16)
        assert (precision.name, precision.scaled) == (name, scaled), (device, amp, bf16)
        assert (precision.dtype is None) == (name == "fp32")


def test_a_precision_that_the_device_does_not_have_is_refused():
    for device, amp, bf16 in (
        ("cpu", "fp16", None),
        ("mps", "fp16", None),
        ("mps", "bf16", None),
        ("cuda:0", "bf16", False),
    ):
        with pytest.raises(ConfigurationError, match=r"training\.amp"):
            precision_for(device, amp, bf16)
