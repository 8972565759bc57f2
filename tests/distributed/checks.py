"""Runs as several ranks: each function is a check that all of them enter. Writes what came of each to a file.

Every rank can compute what every other has (`of(rank)`), so what a collective must give is known at each.
"""

import json
import os
import sys
import traceback
from importlib import import_module
from typing import Any

import numpy as np

torch: Any = import_module("torch")  # which is pellucid here, and for a checker of types would be PyTorch
dist: Any = import_module("torch.distributed")
ReduceOp = dist.ReduceOp

DTYPES = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.uint8, torch.int16, torch.int32,
    torch.int64, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip
rank = size = 0


def of(rank, dtype=torch.float32, shape=(2, 3)) -> Any:
    """What a rank has: small whole numbers, which every dtype holds."""
    numbers = (np.arange(np.prod(shape, dtype=int)) + rank) % 4
    return torch.tensor(numbers.reshape(shape)).to(dtype)


def total(parts) -> Any:
    return sum(parts)


def equal(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all()), f"{a} is not {b}"


def fails(kind, said, function, *args, **kwargs):
    message = ""
    try:  # not by pytest, which costs each rank the time to import it
        function(*args, **kwargs)
    except kind as error:
        message = str(error)
    assert message, f"no {kind.__name__}"
    for part in [said] if isinstance(said, str) else said:
        assert part in message, f"{part!r} is not in {message}"


def reductions():
    whole = {"SUM": sum, "MIN": lambda parts: np.minimum.reduce(parts), "MAX": lambda parts: np.maximum.reduce(parts)}
    whole["PRODUCT"] = lambda parts: np.multiply.reduce(parts)
    for dtype in DTYPES:
        for name, together in whole.items():
            if dtype.is_complex and name in ("MIN", "MAX"):
                fails(RuntimeError, name, dist.all_reduce, of(rank, dtype), ReduceOp[name])
                continue
            parts = [of(r, torch.complex128 if dtype.is_complex else torch.int64).numpy() for r in range(size)]
            if dtype is torch.bool:
                parts = [part != 0 for part in parts]
            expected = torch.tensor(np.asarray(together(parts))).to(dtype)
            tensor = of(rank, dtype)
            version = tensor._version
            assert dist.all_reduce(tensor, ReduceOp[name]) is None
            equal(tensor, expected)
            assert tensor._version == version + 1
            root = size - 1
            tensor = of(rank, dtype)
            dist.reduce(tensor, root, ReduceOp[name])
            equal(tensor, expected if rank == root else of(rank, dtype))


def bits():
    for name, together in (("BAND", np.bitwise_and), ("BOR", np.bitwise_or), ("BXOR", np.bitwise_xor)):
        for dtype in (torch.int64, torch.uint8, torch.bool):
            parts = [of(r, dtype).numpy() for r in range(size)]
            tensor = of(rank, dtype)
            dist.all_reduce(tensor, op=ReduceOp[name])
            equal(tensor, torch.tensor(together.reduce(parts)))
        fails(RuntimeError, "float32", dist.all_reduce, torch.ones(2), ReduceOp[name])
    fails(TypeError, "ReduceOp.SUM", dist.all_reduce, torch.ones(2), "sum")


def means():
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.complex64):
        tensor = of(rank, dtype)
        dist.all_reduce(tensor, ReduceOp.AVG)
        kind = torch.complex64 if dtype.is_complex else torch.float32
        equal(tensor, (total([of(r, kind) for r in range(size)]) / size).to(dtype))
    whole = torch.tensor([-7, 7]) if rank == 0 else torch.tensor([0, 0])
    dist.all_reduce(whole, ReduceOp.AVG)
    equal(whole, torch.tensor([int(-7 / size), int(7 / size)]))


def narrow_sums_are_rounded_at_the_end():
    tensor = torch.tensor([1.0 if rank == 0 else 2.0**-8], dtype=torch.bfloat16)
    dist.all_reduce(tensor)
    equal(tensor, torch.tensor([1 + (size - 1) * 2.0**-8]).bfloat16())


def copies():
    for dtype in DTYPES:
        for shape in ((2, 3), (), (0, 4), (3,)):
            root = size - 1
            tensor = of(rank, dtype, shape)
            dist.broadcast(tensor, src=root)
            equal(tensor, of(root, dtype, shape))
            found = [torch.zeros(shape, dtype=dtype) for _ in range(size)]
            dist.all_gather(found, of(rank, dtype, shape))
            for r, part in enumerate(found):
                equal(part, of(r, dtype, shape))
            found = [torch.zeros(shape, dtype=dtype) for _ in range(size)] if rank == root else None
            dist.gather(of(rank, dtype, shape), found, dst=root)
            for r, part in enumerate(found or ()):
                equal(part, of(r, dtype, shape))
            given = [of(r + 1, dtype, shape) for r in range(size)] if rank == root else None
            tensor = torch.zeros(shape, dtype=dtype)
            dist.scatter(tensor, given, src=root)
            equal(tensor, of(rank + 1, dtype, shape))


def whole_tensors():
    joined, stacked = torch.zeros(size * 2, 3), torch.zeros(size, 2, 3)
    dist.all_gather_into_tensor(joined, of(rank))
    dist.all_gather_into_tensor(stacked, of(rank))
    equal(joined, torch.cat([of(r) for r in range(size)]))
    equal(stacked, torch.stack([of(r) for r in range(size)]))
    for dtype in (torch.float32, torch.float16, torch.int64):
        output = torch.zeros(3, dtype=dtype)
        dist.reduce_scatter(output, [of(rank + i, dtype, (3,)) for i in range(size)])
        expected = total([of(r + rank, torch.int64, (3,)) for r in range(size)]).to(dtype)
        equal(output, expected)
        output = torch.zeros(3, dtype=dtype)
        dist.reduce_scatter_tensor(output, torch.cat([of(rank + i, dtype, (3,)) for i in range(size)]))
        equal(output, expected)


def not_contiguous():
    big = torch.zeros(3, 4)
    dist.broadcast(big.t()[:2], 0)
    tensor = of(rank, shape=(3, 4))
    column = tensor[:, 1]
    dist.all_reduce(column)
    equal(tensor[:, 1], sum(of(r, shape=(3, 4))[:, 1] for r in range(size)))
    equal(tensor[:, 0], of(rank, shape=(3, 4))[:, 0])
    received = torch.zeros(4, 3).t()
    dist.broadcast(received if rank else of(0, shape=(3, 4)), 0)
    equal(received if rank else of(0, shape=(3, 4)), of(0, shape=(3, 4)))


def all_to_all():
    outputs = [torch.zeros(r + 1, rank + 1) for r in range(size)]
    dist.all_to_all(outputs, [torch.full((rank + 1, r + 1), 10.0 * rank + r) for r in range(size)])
    for r, part in enumerate(outputs):
        equal(part, torch.full((r + 1, rank + 1), 10.0 * r + rank))
    output = torch.zeros(size, 2, dtype=torch.int64)
    dist.all_to_all_single(output, torch.arange(size * 2).view(size, 2) + 100 * rank)
    equal(output, torch.stack([torch.arange(2) + 2 * rank + 100 * r for r in range(size)]))
    output = torch.zeros(size * (rank + 1))
    work = dist.all_to_all_single(
        output, torch.arange(size * (size + 1) // 2).float(), [rank + 1] * size, [r + 1 for r in range(size)],
        async_op=True,
    )  # fmt: skip
    work.wait()
    begin = rank * (rank + 1) // 2
    equal(output, torch.arange(begin, begin + rank + 1).float().repeat(size))
    if size > 1:
        sizes = [2] + [1] * (size - 1)
        fails(RuntimeError, "sends", dist.all_to_all_single, torch.zeros(size), torch.zeros(size + 1), None, sizes)


def objects():
    found: Any = [None] * size
    dist.all_gather_object(found, {"rank": rank, "tensor": of(rank)})
    assert [part["rank"] for part in found] == list(range(size))
    equal(found[-1]["tensor"], of(size - 1))
    given = [rank, "text" * rank]
    dist.broadcast_object_list(given, src=size - 1)
    assert given == [size - 1, "text" * (size - 1)]
    found = [None] * size if rank == 0 else None
    dist.gather_object(rank * 2, found, dst=0)
    assert found == ([r * 2 for r in range(size)] if rank == 0 else None)
    output = [None]
    dist.scatter_object_list(output, [f"for {r}" for r in range(size)] if rank == 0 else None, src=0)
    assert output == [f"for {rank}"]


def later():
    tensors = [of(rank) * (i + 1) for i in range(3)]
    works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
    for i, work in reversed(list(enumerate(works))):
        assert work.wait() is True and work.is_completed() and work.is_success() and work.exception() is None
        equal(tensors[i], sum(of(r) for r in range(size)) * (i + 1))
    work = dist.barrier(async_op=True)
    while not work.is_completed():
        pass
    for _ in range(50):  # each time at another moment
        output = torch.zeros(size, 2, 3)
        work = dist.all_gather_into_tensor(output, of(rank), async_op=True)
        while not work.is_completed():
            pass
        equal(output, torch.stack([of(r) for r in range(size)]))


def messages():
    if size == 1:
        fails(ValueError, "no other process", dist.send, of(0), 0)
        return
    after, before = (rank + 1) % size, (rank - 1) % size
    for dtype in DTYPES:
        received = torch.zeros(2, 3, dtype=dtype)
        works = [dist.irecv(received, before), dist.isend(of(rank, dtype), after)]
        for work in works:
            work.wait()
        equal(received, of(before, dtype))
    big, received = torch.full((300_000,), float(rank)), torch.zeros(300_000)  # larger than what is sent at once
    operations = [dist.P2POp(dist.isend, big, after), dist.P2POp(dist.irecv, received, before)]
    for work in dist.batch_isend_irecv(operations):
        work.wait()
    equal(received, torch.full((300_000,), float(before)))
    if rank == 0:
        first, second = torch.zeros(1), torch.zeros(1)
        dist.recv(second, 1, tag=2)
        assert dist.recv(first, 1, tag=1) == 1
        assert (first.item(), second.item()) == (1.0, 2.0)
        assert sorted(dist.recv(torch.zeros(1), tag=9) for _ in range(size - 1)) == list(range(1, size))
        fails(RuntimeError, ["float32 (2,)", "rank 1 sent float32 (3,)"], dist.recv, torch.zeros(2), 1)
        fails(RuntimeError, ["float32 (4,)", "rank 1 sent float32 (3,)"], dist.recv, torch.zeros(4), 1)
        fails(RuntimeError, ["int32 (3,)", "rank 1 sent float32 (3,)"], dist.recv, torch.zeros(3).int(), 1)
        dist.send_object_list([{"a": 1}, "b"], 1)
    else:
        if rank == 1:
            dist.send(torch.tensor([1.0]), 0, tag=1)
            dist.send(torch.tensor([2.0]), 0, tag=2)
        dist.send(torch.zeros(1), 0, tag=9)
        if rank == 1:
            for _ in range(3):
                dist.send(torch.zeros(3), 0)
            found = [None, None]
            assert dist.recv_object_list(found, 0) == 0
            assert found == [{"a": 1}, "b"]
    fails(ValueError, "same as the rank of the current process", dist.isend, of(rank), rank)
    fails(ValueError, "not part of group", dist.isend, of(rank), size)


def groups():
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (rank, size, "mpi")
    assert dist.is_initialized() and dist.is_available() and dist.group.WORLD.size() == size
    fails(ValueError, "twice", dist.init_process_group)
    fails(ValueError, f"0 to {size - 1}", dist.new_group, [size])
    last = dist.new_group([size - 1])
    both = dist.new_group([0, size - 1] if size > 1 else [0])
    if rank == size - 1:
        assert (dist.get_rank(last), dist.get_world_size(last)) == (0, 1)
        assert dist.get_process_group_ranks(last) == [size - 1]
        assert dist.get_global_rank(last, 0) == size - 1 and dist.get_group_rank(last, size - 1) == 0
    else:
        assert last == dist.GroupMember.NON_GROUP_MEMBER and dist.get_rank(last) == -1
    if rank in (0, size - 1):
        tensor = torch.ones(1)
        dist.all_reduce(tensor, group=both)
        assert tensor.item() == both.size()
        tensor = of(rank)
        dist.broadcast(tensor, src=size - 1, group=both)
        equal(tensor, of(size - 1))
        dist.broadcast(tensor, group_src=0, group=both)
        equal(tensor, of(size - 1))
        fails(ValueError, "both", dist.broadcast, tensor, 0, both, group_src=0)
        dist.destroy_process_group(both)
        fails(ValueError, "destroyed", dist.barrier, both)
    dist.barrier()


def disagreements():
    """A group in which the ranks have disagreed is of no more use, so each is tried in a group of its own."""
    if size == 1:
        return
    last = rank == size - 1
    for call, said in (
        (lambda g: dist.all_reduce(torch.ones(3 + last), group=g), ["float32 (3,)", "float32 (4,)", "SUM"]),
        (lambda g: dist.all_reduce(torch.ones(3).to(DTYPES[last]), group=g), ["float32 (3,)", "float64 (3,)"]),
        (lambda g: dist.all_reduce(torch.ones(3), ReduceOp.MAX if last else ReduceOp.MIN, group=g), ["MAX", "MIN"]),
        (lambda g: dist.broadcast(torch.ones(3), int(last), group=g), ["from rank 0", "from rank 1"]),
        (lambda g: dist.barrier(g) if last else dist.all_reduce(torch.ones(1), group=g), ["barrier", "all_reduce"]),
        (lambda g: dist.all_reduce(torch.ones(3 + last), group=g, async_op=True).wait(), ["(3,)", "(4,)"]),
        (
            lambda g: dist.all_gather([torch.ones(3 + last)] * size, torch.ones(3 + last), group=g),
            ["all_gather of float32 (3,)", "all_gather of float32 (4,)"],
        ),
    ):
        group = dist.new_group()
        fails(RuntimeError, [*said, f"rank {size - 1}: ", "same order"], call, group)
        fails(RuntimeError, "disagreed before", dist.barrier, group)


def refusals():
    wrong = [torch.zeros(3)] * size
    fails(TypeError, "`tensor`", dist.all_reduce, [1.0])
    fails(ValueError, f"it must have {size}", dist.all_gather, [torch.zeros(2, 3)] * (size + 1), of(rank))
    fails(ValueError, "different dtypes", dist.all_gather, [torch.zeros(2, 3).double()] * size, of(rank))
    fails(RuntimeError, ["float32 (3,)", "float32 (2, 3)"], dist.all_gather, wrong, of(rank))
    fails(RuntimeError, str(6 * size), dist.all_gather_into_tensor, torch.zeros(size * 6 + 1), of(rank))
    fails(ValueError, "destination rank", dist.gather, of(rank), None, rank)
    fails(ValueError, "source rank", dist.scatter, of(rank), None, rank)
    fails(ValueError, f"it must have {size}", dist.all_gather_object, [], 1)
    fails(ValueError, "isend or irecv", dist.P2POp, dist.send, of(rank), 0)


def again():
    """The last: a group that was destroyed may be begun anew."""
    dist.destroy_process_group()
    assert not dist.is_initialized()
    fails(ValueError, "has not been initialized", dist.get_rank)
    dist.init_process_group()
    tensor = torch.ones(1)
    dist.all_reduce(tensor)
    assert tensor.item() == size


CHECKS = [
    reductions, bits, means, narrow_sums_are_rounded_at_the_end, copies, whole_tensors, not_contiguous, all_to_all,
    objects, later, messages, groups, disagreements, refusals, again,
]  # fmt: skip


def main(path, checks):
    global rank, size
    dist.init_process_group("mpi")
    rank, size = dist.get_rank(), dist.get_world_size()
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    assert (rank, size) == (int(os.environ.get("RANK", "0")), launched), "what torchrun sets"
    results = {}
    for check in checks:
        try:
            check()
            failure = ""
        except Exception:
            failure = f"rank {rank}: {traceback.format_exc()}"
        found = [None] * size
        dist.all_gather_object(found, failure)
        results[check.__name__] = "\n".join(part for part in found if part)
    if rank == 0:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1], CHECKS)
