"""The shape of the heap in the snapshot: dense, so that an instance owns few pages.

A page that an instance writes becomes its own. The boot leaves holes all over the heap, and small allocations would
land in them, one page each; with the holes taken up for good, they lie together in fresh pages.
"""

# CPython serves blocks up to this size from pools of one size each, in steps of 16 bytes.
_LARGEST_POOLED = 512
_STEP = 16
_BYTES_OVERHEAD = b"".__sizeof__()
# So many blocks in a row from fresh memory: the holes of that size are taken up.
_ENOUGH = 300
# No size needs more blocks than this.
_MOST = 200_000

_kept = []


def _block(size):
    """An object that takes one block of that size and is never collected."""
    if size == 16:
        return object()
    if size == 32:
        return float(len(_kept)) + 0.5
    return bytes(size - _BYTES_OVERHEAD)


def fill_holes():
    for size in range(_STEP, _LARGEST_POOLED + 1, _STEP):
        highest, fresh = 0, 0
        for _ in range(_MOST):
            block = _block(size)
            _kept.append(block)
            if id(block) > highest:
                highest, fresh = id(block), fresh + 1
            else:
                fresh = 0
            if fresh >= _ENOUGH:
                break
