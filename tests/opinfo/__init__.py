"""PyTorch's own op tests, run on pellucid: each sample of each op that both have, answer beside answer.

PyTorch describes its ops in a table (`op_db`: OpInfos) that can produce sample inputs by dtype, inputs that must
be refused, and what of gradients an op supports. Here those samples are turned into pellucid's tensors
(`convert`), run in both libraries (`compare`), and counted. `skips` holds every known difference with its reason.

    python -m tests.opinfo tanh                  one op, with what differs
    python -m tests.opinfo.report                all of them, to benchmarks/results/opinfo.json
"""
