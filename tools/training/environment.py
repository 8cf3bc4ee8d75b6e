"""What a trial's numbers depend on besides its key."""

import torch
import torchvision


def environment(device: str) -> dict[str, str]:
    """Versions, device and threads of a trial that runs in this process on `device`.

    Results on CPU are equal to the bit where these are equal.
    """
    name = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else device
    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "device": name,
        "threads": str(torch.get_num_threads()),
    }
