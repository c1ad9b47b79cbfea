"""cuDNN's attention, by torch."""

import plugin
from case import Absent

sdpa = plugin.load("sdpa")

import torch  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402


def available():
    version = torch.backends.cudnn.version()
    if not version:
        raise Absent("torch has no cuDNN")
    return f"cuDNN {version}"


supports, prepare = sdpa.supports, sdpa.prepare


def run(state):
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        sdpa.attend(state)
