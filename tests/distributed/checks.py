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

import pellucid.train.learner as learner_module
from pellucid import train

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
    groups_of_one, odd = dist.new_subgroups(1), dist.new_subgroups_by_enumeration([[size - 1]])
    assert dist.get_process_group_ranks(groups_of_one[0]) == [rank] and len(groups_of_one[1]) == size
    assert dist.get_rank(odd[0]) == (0 if rank == size - 1 else -1) and len(odd[1]) == 1
    fails(ValueError, "divisible", dist.new_subgroups, size + 1)
    fails(ValueError, "only once", dist.new_subgroups_by_enumeration, [[0], [0]])
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
    fails(ValueError, "global_rank or group_rank", dist.broadcast, of(rank))
    fails(ValueError, "global_rank or group_rank", dist.reduce, of(rank))
    fails(RuntimeError, f"it must have {size}", dist.all_gather, [torch.zeros(2, 3)] * (size + 1), of(rank))
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


# Training -------------------------------------------------------------------------------------------------------------

nn: Any = torch.nn
DataLoader, TensorDataset = torch.utils.data.DataLoader, torch.utils.data.TensorDataset
ranks_of = learner_module.ranks_of
DDP = nn.parallel.DistributedDataParallel
ROWS = 12  # which 1, 2, 3 and 4 ranks divide


class Net(nn.Module):
    """Convolution, normalisation, a layer that is used twice, and one that only some inputs reach."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3, padding=1)
        self.norm = nn.LayerNorm(8)
        self.twice = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.out = nn.Linear(24, 4)

    def forward(self, x, other=True):
        x = self.twice(torch.tanh(self.twice(self.norm(self.conv(x)))))
        return self.out((self.other(x) if other else x).flatten(1))


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, 2, 8, generator=generator), torch.randn(ROWS, 4, generator=generator)


def mine(tensor):
    return tensor[rank * ROWS // size : (rank + 1) * ROWS // size]


def loss_of(model, x, y, **how):
    return nn.functional.mse_loss(model(x, **how), y)


def near(a, b, rtol=1e-4, atol=1e-6):
    np.testing.assert_allclose(a.detach().float().numpy(), b.detach().float().numpy(), rtol=rtol, atol=atol)


def the_same_at_all(model):
    for name, tensor in model.state_dict().items():
        found = [torch.empty_like(tensor) for _ in range(size)]
        dist.all_gather(found, tensor)
        for other in found:
            assert torch.equal(other, tensor), name


def twins(**options):
    """A model at this rank, and that of rank 0, which all must have, to train with whole batches."""
    torch.manual_seed(rank)  # each rank begins elsewhere
    model = DDP(Net(), **options)
    torch.manual_seed(0)
    alone = Net()
    assert list(model.state_dict()) == [f"module.{name}" for name in alone.state_dict()]
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        equal(ours.detach(), theirs.detach())
    return model, alone


def gradients():
    """N ranks train as a single process does with the whole batch, to rounding, with any size of bucket."""
    for megabytes in (25, 5e-4, 1e-9):
        model, alone = twins(bucket_cap_mb=megabytes)
        assert size == 1 or len(model.reducer.buckets) == {25: 1, 5e-4: 2, 1e-9: 10}[megabytes], model.reducer.buckets
        kinds = [torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9) for m in (model, alone)]
        for step in range(3):
            x, y = batch(step)
            for m, optimizer, part in zip((model, alone), kinds, (mine, lambda t: t), strict=True):
                optimizer.zero_grad()
                loss_of(m, part(x), part(y)).backward()
            for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
                near(ours.grad, theirs.grad)
            for optimizer in kinds:
                optimizer.step()
        for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
            near(ours, theirs)
        the_same_at_all(model)


def gradients_of_narrow_types():
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        layer = nn.Linear(3, 2).to(dtype)
        model = DDP(layer)
        model(torch.full((1, 3), float(rank)).to(dtype)).sum().backward()
        assert layer.weight.grad.dtype == dtype
        near(layer.weight.grad, torch.full((2, 3), (size - 1) / 2))


def overlap():
    """The sum of the last layers is begun before backward has come to the first."""
    if size == 1:
        return
    model, _ = twins(bucket_cap_mb=1e-9)
    begun: list[int] = []
    handle = model.module.conv.weight.register_hook(lambda grad: begun.append(model.reducer._next))
    x, y = batch(0)
    loss_of(model, mine(x), mine(y)).backward()
    assert begun[0] >= 6, begun
    handle.remove()


def no_sync():
    model, alone = twins()
    (x, y), (x2, y2) = batch(1), batch(2)
    with model.no_sync():
        loss_of(model, mine(x), mine(y)).backward()
    if size > 1:
        assert not torch.equal(model.module.out.weight.grad, torch.zeros(4, 24))
        found = [torch.zeros(4, 24) for _ in range(size)]
        dist.all_gather(found, model.module.out.weight.grad)
        assert not torch.equal(found[0], found[1])
    loss_of(model, mine(x2), mine(y2)).backward()
    loss_of(alone, x, y).backward()
    loss_of(alone, x2, y2).backward()
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        near(ours.grad, theirs.grad)


def unused_parameters():
    model, alone = twins(find_unused_parameters=True, bucket_cap_mb=5e-4)
    x, y = batch(3)
    loss_of(model, mine(x), mine(y), other=rank == 0).backward()
    for r in range(size):  # what each rank computed, and the mean of it
        part = slice(r * ROWS // size, (r + 1) * ROWS // size)
        (loss_of(alone, x[part], y[part], other=r == 0) / size).backward()
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        near(ours.grad, theirs.grad)
    model.zero_grad()
    loss_of(model, mine(x), mine(y), other=False).backward()
    assert model.module.other.weight.grad is None  # no rank used it
    model, _ = twins()
    loss_of(model, mine(x), mine(y), other=False).backward()
    if size > 1:
        said = ["other.weight, other.bias", "find_unused_parameters=True"]
        fails(RuntimeError, said, loss_of, model, mine(x), mine(y))
    fails(RuntimeError, "any parameter that requires a gradient", DDP, nn.ReLU())


def buffers():
    torch.manual_seed(rank)
    model = DDP(nn.BatchNorm1d(2))
    alone = nn.BatchNorm1d(2)
    model(of(rank, shape=(4, 2)))
    alone(of(0, shape=(4, 2)))
    model(of(rank + 1, shape=(4, 2)))  # before which all have the buffers of rank 0
    alone(of(rank + 1, shape=(4, 2)))
    near(model.module.running_mean, alone.running_mean)
    near(model.module.running_var, alone.running_var)


def normalised_over_all():
    """SyncBatchNorm, of ranks with different numbers of samples, is BatchNorm of all samples, with its gradients."""
    for dtype, momentum in ((torch.float32, 0.1), (torch.float64, None)):
        rows = [slice(r * (r + 3) // 2, (r + 1) * (r + 4) // 2) for r in range(size)]  # two, three, four …
        x = torch.randn(rows[-1].stop, 3, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
        scale = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
        alone = nn.BatchNorm1d(3, momentum=momentum).to(dtype)
        both = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(nn.BatchNorm1d(3, momentum=momentum).to(dtype)))
        own, whole = x[rows[rank]].clone().requires_grad_(), x.clone().requires_grad_()
        for _ in range(2):
            ours, theirs = both(own), alone(whole)
            near(ours, theirs[rows[rank]])
        (ours * scale[rows[rank]]).sum().backward()
        (theirs * scale).sum().backward()
        near(own.grad, whole.grad[rows[rank]], atol=1e-5)
        weight = both[0].weight.grad
        dist.all_reduce(weight)
        near(weight, alone.weight.grad, atol=1e-5)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            near(getattr(both[0], name), getattr(alone, name))
        both.eval(), alone.eval()
        near(both(own), alone(own))


def uneven_batches():
    for by_all in (True, False):
        model, alone = twins(bucket_cap_mb=5e-4)
        kinds = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, alone)]
        counts = [2 + r for r in range(size)]
        with model.join(divide_by_initial_world_size=by_all):
            for step in range(counts[rank]):
                x, y = batch(step)
                kinds[0].zero_grad()
                loss_of(model, mine(x), mine(y)).backward()
                kinds[0].step()
        for step in range(max(counts)):
            x, y = batch(step)
            active = [r for r in range(size) if step < counts[r]]
            kinds[1].zero_grad()
            for r in active:
                part = slice(r * ROWS // size, (r + 1) * ROWS // size)
                (loss_of(alone, x[part], y[part]) / (size if by_all else len(active))).backward()
            kinds[1].step()
        for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
            near(ours, theirs)
        the_same_at_all(model)
    model, _ = twins()

    def throwing():
        with model.join(throw_on_early_termination=True):
            for step in range(2 if rank else 1):
                x, y = batch(step)
                loss_of(model, mine(x), mine(y)).backward()

    if size > 1:
        fails(RuntimeError, ["exhausted inputs", "ranks [0] have"], throwing)


def other_models():
    if size > 1:
        model = nn.Linear(3, 2 if rank < size - 1 else 5)
        fails(RuntimeError, [f"rank {size - 1}", "float32 (5, 3)", "float32 (2, 3)"], DDP, model)


def parts_of_data():
    sampler = torch.utils.data.distributed.DistributedSampler(range(10 * size), seed=3)
    found: Any = [None] * size
    dist.all_gather_object(found, list(sampler))
    assert sorted(index for part in found for index in part) == list(range(10 * size)) and len(found[0]) == 10
    sampler.set_epoch(1)
    assert size == 1 or list(sampler) != found[rank]


class Seen(train.Callback):
    """Which callbacks are called, and what they see."""

    def __init__(self, observes):
        self.observes, self.losses = observes, []

    def after_step(self, learner):
        self.losses.append(learner.loss_value)


def learned(alone, callbacks=(), epochs=2, compile=False, loss=None):
    """A Learner that has been trained, by all ranks or by each for itself; the last of its batches has two rows."""
    learner_module.ranks_of = (lambda *given, **how: None) if alone else ranks_of
    torch.manual_seed(0 if alone else rank)  # each rank begins elsewhere, and goes the way of rank 0
    data = TensorDataset(torch.randn(22, 4, generator=torch.Generator().manual_seed(5)), torch.arange(22) % 3)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    loss = loss or nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]), ignore_index=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loaders = DataLoader(data, batch_size=10, shuffle=True), DataLoader(data, batch_size=9)
    made = train.Learner(
        model, loaders, loss, optimizer, {"accuracy": train.Accuracy, "auc": train.AUC}, callbacks, compile=compile
    )
    made.fit(epochs)
    return made


def learner():
    """A Learner makes the run of a single process, whatever the number of ranks."""
    for what in (
        {}, {"callbacks": "accumulate"}, {"compile": True},
        {"loss": nn.CrossEntropyLoss(reduction="sum", ignore_index=1)}, {"callbacks": "stop"},
    ):  # fmt: skip
        runs = []
        for alone in (False, True):
            given: Any = dict(what)
            seen = Seen(observes=True), Seen(observes=False)
            more = {
                "accumulate": lambda: [train.Accumulate(2)],
                "stop": lambda alone=alone: [StopAt(2, only=0 if not alone else rank)],
            }.get(given.pop("callbacks", ""), list)()
            runs.append((learned(alone, [*seen, *more], **given), seen))
        (ours, seen), (theirs, seen_alone) = runs
        for a, b in zip(ours.model.parameters(), theirs.model.parameters(), strict=True):
            near(a, b, rtol=2e-4, atol=1e-5)
        the_same_at_all(ours.model)
        assert (ours.step, ours.epoch, ours.batch) == (theirs.step, theirs.epoch, theirs.batch)
        np.testing.assert_allclose(ours.train_loss, theirs.train_loss, rtol=1e-4)
        assert ours.evaluation.keys() == theirs.evaluation.keys()
        for name, value in ours.evaluation.items():
            np.testing.assert_allclose(value, theirs.evaluation[name], rtol=1e-4)
        np.testing.assert_allclose(seen[1].losses, seen_alone[1].losses, rtol=1e-4)
        assert bool(seen[0].losses) == (rank == 0)


class StopAt(train.Callback):
    """Stops the fit at a step, at a rank alone, as a limit of time does."""

    observes = True

    def __init__(self, step, only):
        self.step, self.only = step, only

    def after_batch(self, learner):
        if learner.step == self.step and rank == self.only:
            learner.stop()


def gradients_of_collectives():
    """Against the program in one process: all ranks' inputs in one place, and the sum of all ranks' losses."""
    functional = import_module("torch.distributed.nn.functional")
    rows = {  # what a rank does with its tensor, and what comes to rank r of the tensors of all
        "broadcast": (lambda x: functional.broadcast(x, size - 1), lambda xs, r: xs[size - 1]),
        "all_reduce": (functional.all_reduce, lambda xs, r: sum(xs)),
        "mean": (lambda x: functional.all_reduce(x, ReduceOp.AVG), lambda xs, r: sum(xs) / size),
        "reduce": (lambda x: functional.reduce(x, 0), lambda xs, r: sum(xs) if r == 0 else xs[r].detach()),
        "all_gather": (lambda x: torch.cat(functional.all_gather(x)), lambda xs, r: torch.cat(xs)),
        "gather": (
            lambda x: torch.cat(functional.gather(x, 0)), lambda xs, r: torch.cat(xs) * (1.0 if r == 0 else 0.0),
        ),
        "scatter": (
            lambda x: functional.scatter([x * (r + 1) for r in range(size)], 0), lambda xs, r: xs[0] * (r + 1),
        ),
        "reduce_scatter": (
            lambda x: functional.reduce_scatter(x, [x * (r + 1) for r in range(size)]), lambda xs, r: sum(xs) * (r + 1),
        ),
        "all_to_all": (
            lambda x: torch.cat(functional.all_to_all([x] * size, [x * (r + 1) for r in range(size)])),
            lambda xs, r: torch.cat(xs) * (r + 1),
        ),
        "all_to_all_single": (
            lambda x: functional.all_to_all_single(
                torch.zeros(2 * size, 3), torch.cat([x * (r + 1) for r in range(size)])
            ),
            lambda xs, r: torch.cat(xs) * (r + 1),
        ),
    }  # fmt: skip
    wrong = []  # said when all have communicated: a rank that stops leaves the others waiting
    for name, (together, alone) in rows.items():
        mine = of(rank).requires_grad_()
        out = together(mine)
        (out**2 * (rank + 1)).sum().backward()
        everyone = [of(r).requires_grad_() for r in range(size)]
        expected = [alone(everyone, r) for r in range(size)]
        sum((each**2 * (r + 1)).sum() for r, each in enumerate(expected)).backward()
        gradient = torch.zeros_like(mine) if everyone[rank].grad is None else everyone[rank].grad
        if not (torch.allclose(out, expected[rank]) and torch.allclose(mine.grad, gradient)):
            wrong.append((name, out, expected[rank], mine.grad, gradient))
    product = functional.all_reduce(of(rank).requires_grad_(), ReduceOp.PRODUCT)
    fails(RuntimeError, "use SUM or AVG", product.sum().backward)
    twice = of(rank).requires_grad_()  # and the gradient has one
    (first,) = torch.autograd.grad((functional.all_reduce(twice) ** 3).sum(), twice, create_graph=True)
    first.sum().backward()
    assert not wrong, wrong
    assert torch.allclose(twice.grad, 6 * size**2 * sum(of(r) for r in range(size))), twice.grad


CHECKS = [
    reductions, bits, means, narrow_sums_are_rounded_at_the_end, copies, whole_tensors, not_contiguous, all_to_all,
    objects, later, messages, groups, disagreements, refusals, gradients, gradients_of_narrow_types, overlap,
    no_sync, unused_parameters, buffers, normalised_over_all, uneven_batches, other_models, parts_of_data, learner,
    again, gradients_of_collectives,
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
