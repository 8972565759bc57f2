// The graph page. What is open (state.js) decides what is visible; layout.js places it, by dagre; draw.js draws it;
// details.js tells of one thing; listen.js answers mouse and keys. All stand, in this order, in one function, after
// dagre, which they find as `dagre`; `root` is the element that they fill.

const SVG = "http://www.w3.org/2000/svg";
const data = JSON.parse(root.querySelector("script.data").textContent);
const $ = (selector) => root.querySelector(selector);
const svg = $("svg.drawing");
const stage = $(".stage");
const tip = $(".tip");
const panel = $(".panel");

const MOST = 3000; // boxes that a browser still draws in a moment
const KNOT = 4; // lines that may leave what came from outside
const DAGRE = 450; // boxes up to which dagre takes less than a second or two; more are put in plain rows
const nodes = data.nodes;
const groups = data.groups;
const SOURCES = new Set(["input", "leaf", "parameter", "buffer", "constant"]);
const WRITTEN = new Set(["input", "other", "exponent", "key"]); // attributes that stand in the box
const LEGEND = [
  ["input", "input"], ["leaf", "leaf"], ["parameter", "parameter"], ["buffer", "buffer"],
  ["constant", "constant"], ["op", "operation"], ["module", "module"], ["loop", "loop, or a round of it"],
  ["output", "output"], ["backward", "backward"], ["gradient", "gradient of a leaf"],
];
const SYMBOLS = {
  add: "+", sub: "−", rsub: "−", mul: "×", true_divide: "÷", matmul: "@", neg: "−x", pow: "xⁿ", square: "x²",
  sqrt: "√", sum: "Σ", prod: "Π", exp: "eˣ", cat: "⧺", abs: "|x|", maximum: "max", minimum: "min",
  part: "[ ]", index: "[ ]", mean: "x̄", convolution: "∗", add_: "+=", mul_: "×=", sub_: "−=", relu: "max(x,0)",
};

const open = new Set(data.open);
const show = { parameters: true, backward: data.show_backward, values: true };
let across = data.across; // left to right
let chosen = null; // "n3", "g2"
let hits = [];
let hit = -1;
let view = { x: 0, y: 0, scale: 1 };
let bounds = { x: 0, y: 0, width: 1, height: 1 };
let known = () => true; // whether a node's "value" or "gradient" may be seen: in a walk not before its step
let adorn = null; // in a walk: what is drawn into a box besides words, { size(key), draw(box, made) }
let explain = null; // in a walk: what the panel says of a node, and of the step where none is chosen
let repaint = null; // in a walk: marks what the step is about, after what is chosen has been marked
let begin = () => fit(true); // once there is a size to fit to
let layout = null; // what is drawn: { boxes: Map, clusters: [], links: [] }

const inside = new Map(); // group or null -> its groups and nodes, as keys
{
  const lists = new Map();
  const add = (parent, key) => {
    if (!lists.has(parent)) lists.set(parent, []);
    lists.get(parent).push(key);
  };
  groups.forEach((group) => add(group.parent, `g${group.id}`));
  nodes.forEach((node) => add(node.group, `n${node.id}`));
  lists.forEach((list, parent) => inside.set(parent, list));
}
const into = nodes.map(() => []);
const outOf = nodes.map(() => []);
data.edges.forEach(([source, target, argument]) => {
  into[target].push([source, argument]);
  outOf[source].push([target, argument]);
});
const isBackward = (node) => node.phase === "backward";
const thing = (key) => (key[0] === "n" ? nodes : groups)[Number(key.slice(1))];
const parentOf = (key) => (key[0] === "n" ? thing(key).group : thing(key).parent);

function ancestors(key) {
  const found = [];
  for (let group = parentOf(key); group !== null; group = groups[group].parent) found.unshift(group);
  return found;
}

function visibleNode(node) {
  if (isBackward(node) && !show.backward) return false;
  if (!show.parameters && (node.kind === "parameter" || node.kind === "buffer")) return false;
  return true;
}

// The box in which a node is seen: itself, or the outermost closed group that it is in.
function seenIn(key) {
  for (const group of ancestors(key)) if (!open.has(group)) return `g${group}`;
  return key;
}

// Words

const number = (value) => {
  if (typeof value !== "number") return String(value); // "nan", "inf"
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e6) return value.toExponential(2).replaceAll("-", "−");
  return String(Number(value.toPrecision(4))).replace("-", "−");
};
const count = (value) => value.toLocaleString("en-US");
const shape = (sizes) => (sizes === null || sizes === undefined ? "" : sizes.length ? sizes.join(" × ") : "number");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
const bytes = (n) => (n < 1024 ? `${n} B` : n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`);
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const single = (value) => value && Array.isArray(value.shape) && value.shape.reduce((a, b) => a * b, 1) === 1 && value.numbers !== null;
const flat = (numbers) => (Array.isArray(numbers) ? numbers.flat(Infinity) : [numbers]);

function className(key) {
  const it = thing(key);
  if (key[0] === "g") return it.kind;
  if (it.kind === "op" && isBackward(it)) return "backward";
  return it.kind + (data.outputs.includes(it.id) && it.kind === "op" ? " result" : "");
}

function title(key) {
  const it = thing(key);
  if (key[0] === "g") {
    if (it.kind === "backward") return `∂ ${it.name}`;
    if (it.kind === "module") return it.name + (it.call > 1 ? ` (call ${it.call})` : "");
    return it.name;
  }
  if (it.kind === "op" && data.walk && !it.variable) return data.walk.names[it.id];
  if (it.kind === "op") return it.name + (it.variable ? ` → ${it.variable}` : "");
  return it.name || it.kind;
}

// A formula in short; of a linear op only where its bias is in the record.
function symbolOf(node) {
  if (node.name !== "linear") return SYMBOLS[node.name];
  return into[node.id].some(([, argument]) => argument === "bias") ? "xWᵀ+b" : undefined;
}

// What is written in a box: [text, class] for each line, the first its head.
function lines(key) {
  const it = thing(key);
  const found = [];
  if (key[0] === "g") {
    const type = it.type && it.type !== it.name && it.kind === "module" ? `  ${it.type}` : "";
    found.push([title(key), "head", type]);
    if (it.words) found.push([cut(it.words, 44), "small"]);
    const facts = [];
    if (it.outputs.length) facts.push(`→ ${it.outputs.map(shape).join(", ")}`);
    if (it.kind === "module" && it.parameters) facts.push(plural(it.parameters, "parameter"));
    if (facts.length) found.push([facts.join(" · "), "small"]);
    return found;
  }
  const symbol = it.kind === "op" ? symbolOf(it) : undefined;
  found.push([(symbol && symbol !== it.name ? `${symbol}  ` : "") + cut(title(key), 40), "head"]);
  const small = [];
  const uses = layout?.uses?.get(key)?.length ?? 0;
  for (const [name, value] of Object.entries(it.attributes)) {
    if (it.kind === "op" && WRITTEN.has(name)) small.push(name === "key" ? value : `${name} ${value}`);
  }
  if (it.shape?.length) small.unshift(shape(it.shape));
  if (uses > KNOT) small.push(`used ${uses} times`);
  if (small.length) found.push([cut(small.join(" · "), 40), "small"]);
  if (show.values) {
    if (single(it.value)) found.push([`= ${known(it, "value") ? number(flat(it.value.numbers)[0]) : "?"}`, "number"]);
    if (single(it.gradient)) found.push([`∂ ${known(it, "gradient") ? number(flat(it.gradient.numbers)[0]) : "?"}`, "number gradient-text"]);
  }
  return found;
}
