"""PyTorch's own tables of optimisers and schedules, run on pellucid: answer beside answer.

PyTorch describes its optimisers in a table (`optim_db`: OptimizerInfos) with the hyperparameters to try, the flags that
each supports, and what each must refuse. `optimizers` makes cases of them, `schedules` of every schedule; `compare`
runs one case in both libraries.

    python -m tests.optiminfo.report             all of them, as a table, with what differs
"""
