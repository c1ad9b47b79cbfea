"""What Python adds to a call of fi_run, with the call through ctypes itself: printed, since machines differ."""

import ctypes
import time
import unittest

from flashjit import _declarations as c
from support import Decode, simulated

def microseconds(call, count=2000, batches=60):
    """Of one call, in the batch that was disturbed least."""
    best = float("inf")
    for _ in range(batches):
        begin = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, time.perf_counter() - begin)
    return best / count * 1e6


class Overhead(unittest.TestCase):
    def test_a_prepared_launch(self):
        """In place of fi_run a function of C that does nothing and returns 0. To Python tiles make no difference."""
        for rows in (16, 128):
            with self.subTest(rows):
                self.launch(rows)

    def launch(self, rows):
        ctx, case = simulated(), Decode()
        kernel = ctx.kernel(**case.AXES, rows=rows)
        workspace = case.workspace(kernel)
        device = {name: ctx.array(array.shape, "bf16") for name, array in case.tensors().items()}
        launch = kernel.bind(workspace, **device)
        nothing = ctypes.CDLL(None).pthread_mutexattr_destroy
        nothing.restype, nothing.argtypes = c.FUNCTIONS["fi_run"]
        launch._run = nothing
        spent = microseconds(launch)
        print(f"a prepared launch of {rows} rows: {spent:.2f} us")
        self.assertEqual(launch(), None)


if __name__ == "__main__":
    unittest.main()
