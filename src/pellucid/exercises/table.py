"""The exercises from easy to hard, each with its hints; what is to be done is written on its sheet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes:
        name: it is also the name of its file.
        title: what is to be done, in a few words.
        kind: "backward", "engine", "optimiser" or "fault".
        hints: from a nudge to nearly all of it.
        after: exercises whose answer is a part of this one's; they come before it.
    """

    name: str
    title: str
    kind: str
    hints: tuple[str, ...]
    after: tuple[str, ...] = ()


AFTER = {
    "softmax": ("mse",),
    "softmax-cross-entropy": ("softmax",),
    "matmul": ("linear",),
    "broadcast": ("linear",),
    "dropout": ("relu",),
    "max-pool": ("relu",),
    "conv2d": ("linear",),
    "batch-norm": ("broadcast",),
    "layer-norm": ("batch-norm",),
    "rnn-cell": ("tanh", "linear"),
    "lstm-cell": ("sigmoid", "rnn-cell"),
    "attention": ("softmax", "matmul"),
    "adam": ("sgd-momentum",),
    "fault-loss": ("softmax-cross-entropy",),
    "fault-shapes": ("broadcast",),
    "fault-backward": ("relu", "linear"),
    "fault-evaluation": ("dropout",),
}
EXERCISES = {
    name: Exercise(name, title, kind, tuple(hints), AFTER.get(name, ()))
    for name, title, kind, *hints in (
        (
            "relu", "the backward pass of ReLU", "backward",
            "Where x is above 0 the output moves with x, elsewhere it does not move.",
            "A comparison of arrays is an array of truth values, and those count as 1 and 0 in a product.",
        ),
        (
            "sigmoid", "the backward pass of the sigmoid", "backward",
            "Differentiate 1 / (1 + e^-x), and write the result by y.",
            "dy/dx = y (1 - y), and the chain rule multiplies by what comes from above.",
        ),
        (
            "tanh", "the backward pass of tanh", "backward",
            "The derivative of tanh is 1 - tanh^2.",
            "The cache holds x, the input: take its tanh before you square it.",
        ),
        (
            "linear", "the backward pass of a linear layer", "backward",
            "Write y[n, o] as a sum over i, differentiate by one element, and see what sum of dy is left.",
            "The shapes leave little choice: dx (N, I) comes of dy (N, O) and w (I, O).",
            "b was used for each of the N rows: its gradient is a sum over them.",
        ),
        (
            "mse", "the gradient of the mean-squared error", "backward",
            "The mean is over all elements, of which there are N times D.",
            "The square gives a factor of 2, the mean one of 1 / x.size.",
        ),
        (
            "softmax", "the backward pass of softmax", "backward",
            "dy[j]/dx[i] = y[j] (1 if i = j else 0) - y[j] y[i].",
            "Sum dy[j] times that over j: one part is dy[i] y[i], in the other a sum over the row is left.",
        ),
        (
            "softmax-cross-entropy", "the gradient of softmax and cross-entropy in one", "backward",
            "Take one row: L = log(sum of e^x) - x[label]. Differentiate by each x.",
            "For one row it is p - y, with y 1 at the label and 0 elsewhere.",
            "The loss is a mean over the rows: divide by their number.",
        ),
        (
            "matmul", "the backward pass of a product of stacks of matrices", "backward",
            "For each matrix of the stack it is as for one: dx = dy w^T and dw = x^T dy.",
            ".T of three axes turns all of them about: np.swapaxes(w, 1, 2) turns the last two.",
        ),
        (
            "broadcast", "the backward pass of broadcasting", "backward",
            "NumPy stretches an operand in two ways: along axes of length 1, and along axes that are absent in front.",
            "Sum over the axes in front until there are as many as the operand has.",
            "Then sum over each axis that has length 1 in `shape`, with keepdims=True.",
        ),
        (
            "embedding", "the backward pass of an embedding", "backward",
            "A row of the table gets the sum of the gradients of all places where it was looked up.",
            "dtable[x] += dy adds only once for a row that occurs twice: see np.add.at.",
        ),
        (
            "dropout", "dropout, forward and backward", "backward",
            "What is left is divided by 1 - p, the share that is left.",
            "The backward pass multiplies by the same mask and the same factor: keep them.",
        ),
        (
            "max-pool", "the backward pass of max pooling", "backward",
            "The gradient of a window goes to the place of its maximum, and nowhere else.",
            "y.repeat(2, axis=2).repeat(2, axis=3) has the shape of x: compare the two.",
        ),
        (
            "conv2d", "the backward pass of a convolution", "backward",
            "Each line of the forward loop is a linear map of a part of x: the backward pass has the same loop.",
            "dx gets a share from each place of the kernel: add it to the part of x that was read there.",
            "dw[:, :, k, l] sums dy times the part of x over n, h, w; db sums dy over all axes but that of f.",
        ),
        (
            "batch-norm", "the backward pass of batch normalisation", "backward",
            "x acts by three ways: by itself, by the mean, and by the variance.",
            "With dn = dy gamma, the part by the mean is -mean(dn) over the batch, that by the variance -n mean(dn n).",
            "All of that is divided by the deviation.",
        ),
        (
            "layer-norm", "the backward pass of layer normalisation", "backward",
            "x acts by three ways: by itself, by the mean, and by the variance.",
            "With dn = dy gamma, the part by the mean is -mean(dn) over the row, that by the variance -n mean(dn n).",
            "All of that is divided by the deviation. gamma and beta were used for each row: sum over the rows.",
        ),
        (
            "rnn-cell", "backpropagation through time", "backward",
            "Go from the last step to the first, and carry along what h[t] gets from step t + 1.",
            "dz = (dy[t] + what is carried) (1 - h[t]^2); what is carried to the step before is dz u^T.",
            "At t = 0 the state before is 0; y[t - 1] would be y[-1], the last.",
        ),
        (
            "lstm-cell", "the backward pass of one step of an LSTM", "backward",
            "c' gets its own part of dy, and that which comes by h' = o tanh(c').",
            "Find the gradients of the gates i, f, o, g after their activations first, then before them.",
            "Put the four side by side in the order of the forward pass: the rest is a linear layer.",
        ),
        (
            "attention", "the backward pass of attention", "backward",
            "First y = a v, which is a product of matrices; then the softmax, by rows; then s = x k^T.",
            "ds = a (da - the sum of da a over the row).",
            "The factor 1 / sqrt(D) of the forward pass is a factor of the backward pass.",
        ),
        (
            "scalar-engine", "an engine of automatic differentiation for single numbers", "engine",
            "A Value keeps its parents and the slope to each: for a product these are the other one's data.",
            "Each Value must come before its parents: the reverse of a depth-first walk that appends parents first.",
            "A Value that was used twice gets a share from each use: add, with +=.",
        ),
        (
            "sgd-momentum", "gradient descent with momentum", "optimiser",
            "state.get('v', 0) is v, also before the first step.",
            "PyTorch's v is momentum v + g, without a factor of (1 - momentum), and the rate comes last.",
        ),
        (
            "adam", "Adam", "optimiser",
            "Follow the four lines one by one; t is a number, m and v are arrays of the shape of w.",
            "The corrections divide m and v by 1 - b^t, and do not change what is kept.",
            "eps is added after the square root.",
        ),
        (
            "fault-loop", "find the fault: it comes near and swings about", "fault",
            "Call backward() twice in a row, and look at .grad.",
            "What is left in .grad of the step before?",
        ),
        (
            "fault-loss", "find the fault: slowly, and never surely", "fault",
            "What does nn.CrossEntropyLoss take: probabilities, or scores?",
            "Look at the last layer, and at the documentation of the loss.",
        ),
        (
            "fault-optimiser", "find the fault: no more than a straight line", "fault",
            "Which parameters change in a step? Compare them before and after.",
            "Which parameters was the optimiser given?",
        ),
        (
            "fault-shapes", "find the fault: each prediction becomes the mean", "fault",
            "Print the shapes of predicted, of target, and of their difference.",
            "(N, 1) and (N,) broadcast to (N, N).",
        ),
        (
            "fault-data", "find the fault: since the batches are shuffled it learns nothing", "fault",
            "Take one batch, and see whether the targets belong to the inputs.",
            "One order for both is needed.",
        ),
        (
            "fault-backward", "find the fault: gradients by hand that are wrong", "fault",
            "Which of the four gradients are wrong? The check says so.",
            "w2 and b2 lie above the mistake, w1 and b1 below it.",
            "Go back through the forward pass line by line: what lies between x w1 + b1 and h?",
        ),
        (
            "fault-evaluation", "find the fault: another accuracy each time", "fault",
            "What in the network is drawn at random?",
            "A network has two modes.",
        ),
    )
}  # fmt: skip
