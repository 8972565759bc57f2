"""PyTorch's own module tests, run on pellucid: each input of each module of its table, answer beside answer.

PyTorch describes its modules in a table (`module_db`: ModuleInfos) with arguments for the constructor and for the call.
Here each is built in both libraries after the same seed and compared: parameters and buffers by name and value, the
printed text, the results, the gradients of inputs and parameters, buffers afterwards, and errors by class.

    python -m tests.moduleinfo.report                  all of them, as a table
    python -m tests.moduleinfo.report nn.LSTM          one module, with what differs
"""
