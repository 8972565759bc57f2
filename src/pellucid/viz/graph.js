// The graph page: what is open decides what is visible; dagre places it; this file draws it and answers the mouse.
// It stands in one function with dagre, which it finds as `dagre`; `root` is the element that it fills.

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
  ["input", "input"], ["leaf", "tensor of yours"], ["parameter", "parameter"], ["buffer", "buffer"],
  ["constant", "constant"], ["op", "operation"], ["module", "module"], ["loop", "loop, or a round of it"],
  ["output", "output"], ["backward", "backward"], ["gradient", "gradient of a leaf"],
];
const SYMBOLS = {
  add: "+", sub: "−", rsub: "−", mul: "×", true_divide: "÷", matmul: "@", neg: "−x", pow: "xⁿ", square: "x²",
  sqrt: "√", sum: "Σ", prod: "Π", exp: "eˣ", cat: "⧺", abs: "|x|", maximum: "max", minimum: "min", linear: "Wx+b",
  part: "[ ]", index: "[ ]", mean: "x̄", convolution: "∗", add_: "+=", mul_: "×=", sub_: "−=", relu: "max(x,0)",
};

// ---------------------------------------------------------------------------------------------------- state

const open = new Set(data.open);
const show = { parameters: true, backward: data.show_backward, values: true };
let across = data.across; // left to right
let chosen = null; // "n3", "g2"
let hits = [];
let hit = -1;
let view = { x: 0, y: 0, scale: 1 };
let bounds = { x: 0, y: 0, width: 1, height: 1 };
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

// ---------------------------------------------------------------------------------------------------- words

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
  if (it.kind === "op") return it.name + (it.variable ? ` → ${it.variable}` : "");
  return it.name || it.kind;
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
  const symbol = it.kind === "op" ? SYMBOLS[it.name] : undefined;
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
    if (single(it.value)) found.push([`= ${number(flat(it.value.numbers)[0])}`, "number"]);
    if (single(it.gradient)) found.push([`∂ ${number(flat(it.gradient.numbers)[0])}`, "number gradient-text"]);
  }
  return found;
}

// ---------------------------------------------------------------------------------------------------- layout

const ruler = document.createElement("canvas").getContext("2d");
function width(text, style) {
  const family = getComputedStyle(root).fontFamily;
  ruler.font = `${style.includes("head") ? "650 12.5px" : "11.5px"} ${family}`;
  return ruler.measureText(text).width;
}

function sized(key) {
  const text = lines(key);
  const pad = key[0] === "g" ? 44 : 26;
  const widest = Math.max(...text.map(([words, style, more]) => width(words, style) + (more ? width(more, "small") : 0)));
  return { key, text, width: Math.ceil(Math.max(46, widest + pad)), height: 14 + 17 * text.length };
}

function arrange() {
  const boxes = new Map();
  const clusters = new Set();
  for (const node of nodes) {
    if (!visibleNode(node)) continue;
    const key = `n${node.id}`;
    const seen = seenIn(key);
    if (!boxes.has(seen)) boxes.set(seen, null);
    for (const group of ancestors(seen)) clusters.add(group);
  }
  const links = new Map();
  for (const [source, target] of data.edges) {
    if (!visibleNode(nodes[source]) || !visibleNode(nodes[target])) continue;
    const from = seenIn(`n${source}`);
    const to = seenIn(`n${target}`);
    if (from === to) continue;
    const id = `${from} ${to}`;
    const back = isBackward(nodes[source]);
    const saved = !back && isBackward(nodes[target]);
    const known = links.get(id);
    if (known) { known.many += 1; known.saved &&= saved; } else links.set(id, { from, to, back, saved, many: 1 });
  }
  layout = { boxes, clusters: [...clusters], links: [...links.values()] };
  // What many use (a weight, in every round of a loop) would be a knot of lines: all but one show under the mouse.
  const uses = new Map();
  for (const link of layout.links) {
    if (link.from[0] !== "n" || !SOURCES.has(thing(link.from).kind)) continue;
    uses.set(link.from, [...(uses.get(link.from) ?? []), link]);
  }
  layout.uses = uses;
  for (const all of uses.values()) if (all.length > KNOT) all.slice(1).forEach((link) => { link.quiet = true; });
  if (boxes.size > MOST) {
    say(`${count(boxes.size)} boxes are too many to draw; close some, or draw a smaller part`);
    return false;
  }
  for (const key of boxes.keys()) boxes.set(key, sized(key));
  (boxes.size <= DAGRE ? withDagre : inRows)(layout);
  return true;
}

function withDagre({ boxes, clusters, links }) {
  const graph = new dagre.graphlib.Graph({ compound: true, multigraph: false });
  graph.setGraph({ rankdir: across ? "LR" : "TB", nodesep: 22, ranksep: across ? 42 : 32, edgesep: 12, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  boxes.forEach((box, key) => graph.setNode(key, { width: box.width, height: box.height }));
  clusters.forEach((group) => graph.setNode(`g${group}`, {}));
  [...boxes.keys(), ...clusters.map((group) => `g${group}`)].forEach((key) => {
    const parent = parentOf(key);
    if (parent !== null) graph.setParent(key, `g${parent}`);
  });
  // The backward pass runs the other way, so that each gradient stands beside what it is the gradient of.
  for (const link of links) {
    if (link.quiet) continue;
    const [from, to] = link.back ? [link.to, link.from] : [link.from, link.to];
    if (!graph.hasEdge(from, to)) graph.setEdge(from, to, { weight: link.saved ? 1 : 3 });
  }
  dagre.layout(graph);
  boxes.forEach((box, key) => Object.assign(box, { x: graph.node(key).x, y: graph.node(key).y }));
  layout.frames = [];
  const innerFirst = [...clusters].sort((a, b) => ancestors(`g${b}`).length - ancestors(`g${a}`).length);
  for (const group of innerFirst) { // a frame has its name in its upper left corner, and so needs room there
    const { x, y, width: w, height: h } = graph.node(`g${group}`);
    const inner = layout.frames.filter((frame) => groups[frame.group].parent === group).map((frame) => frame.y);
    const top = Math.min(y - h / 2 - 20, ...inner.map((at) => at - 24));
    layout.frames.push({ group, x: x - w / 2, y: top, width: w, height: y + h / 2 - top });
  }
  for (const link of links) {
    if (link.quiet) { link.points = straight(boxes, link); continue; }
    const points = graph.edge(...(link.back ? [link.to, link.from] : [link.from, link.to])).points;
    link.points = link.back ? [...points].reverse() : points;
  }
}

// For very many boxes: rows by the longest way from the inputs, straight lines between them.
function inRows({ boxes, links }) {
  const users = new Map([...boxes.keys()].map((key) => [key, []]));
  const waits = new Map([...boxes.keys()].map((key) => [key, 0]));
  for (const link of links) {
    users.get(link.from).push(link.to);
    waits.set(link.to, waits.get(link.to) + 1);
  }
  const row = new Map([...boxes.keys()].map((key) => [key, 0]));
  const ready = [...boxes.keys()].filter((key) => waits.get(key) === 0);
  for (let i = 0; i < ready.length; i += 1) {
    for (const user of users.get(ready[i])) {
      row.set(user, Math.max(row.get(user), row.get(ready[i]) + 1));
      waits.set(user, waits.get(user) - 1);
      if (waits.get(user) === 0) ready.push(user);
    }
  }
  const rows = [];
  boxes.forEach((box, key) => (rows[row.get(key)] ??= []).push(box));
  let along = 16;
  for (const boxesOfRow of rows) {
    let x = 16;
    for (const box of boxesOfRow) {
      Object.assign(box, across ? { x: along + box.width / 2, y: x + box.height / 2 } : { x: x + box.width / 2, y: along + box.height / 2 });
      x += (across ? box.height : box.width) + 22;
    }
    along += 34 + Math.max(...boxesOfRow.map((box) => (across ? box.width : box.height)));
  }
  layout.frames = [];
  for (const link of links) link.points = straight(boxes, link);
}

function straight(boxes, link) {
  const [from, to] = [boxes.get(link.from), boxes.get(link.to)];
  return across
    ? [{ x: from.x + from.width / 2, y: from.y }, { x: to.x - to.width / 2, y: to.y }]
    : [{ x: from.x, y: from.y + from.height / 2 }, { x: to.x, y: to.y - to.height / 2 }];
}

// ---------------------------------------------------------------------------------------------------- drawing

function element(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function html(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function smooth(points) {
  if (points.length < 3) return `M${points.map((p) => `${p.x},${p.y}`).join("L")}`;
  let path = `M${points[0].x},${points[0].y}`;
  for (let i = 1; i < points.length - 1; i += 1) {
    const end = i === points.length - 2 ? points[i + 1] : { x: (points[i].x + points[i + 1].x) / 2, y: (points[i].y + points[i + 1].y) / 2 };
    path += `Q${points[i].x},${points[i].y} ${end.x},${end.y}`;
  }
  return path;
}

function arrowHead(points) {
  const end = points[points.length - 1];
  const before = points[points.length - 2];
  const angle = Math.atan2(end.y - before.y, end.x - before.x);
  const corner = (turn) => `${end.x - 9 * Math.cos(angle + turn)},${end.y - 9 * Math.sin(angle + turn)}`;
  return `${end.x},${end.y} ${corner(0.4)} ${corner(-0.4)}`;
}

function sign(x, y, isOpen, key) {
  const made = element("g", { class: "sign", transform: `translate(${x},${y})`, "data-toggle": key },
    element("circle", { r: 7.5 }), element("path", { d: isOpen ? "M-4,0H4" : "M-4,0H4M0,-4V4" }));
  made.append(element("title", {}, document.createTextNode(isOpen ? "Close" : "Open")));
  return made;
}

function drawBox(box) {
  const style = className(box.key);
  const left = -box.width / 2;
  const top = -box.height / 2;
  const it = thing(box.key);
  const made = element("g", { class: `node ${style}`, transform: `translate(${box.x},${box.y})`, "data-key": box.key });
  const round = /^(input|leaf|output|gradient)/.test(style) ? Math.min(box.height / 2, 17) : /^(parameter|buffer)/.test(style) ? 0 : 6;
  if (it.kind === "loop") {
    for (const step of [8, 4]) made.append(element("rect", { class: "box", x: left + step, y: top + step, width: box.width, height: box.height, rx: round }));
  }
  made.append(element("rect", { class: "box", x: left, y: top, width: box.width, height: box.height, rx: round }));
  if (/^(module|parameter)/.test(style)) made.append(element("rect", { class: "stripe", x: left, y: top + (round ? 3 : 0), width: 5, height: box.height - (round ? 6 : 0) }));
  const middle = box.key[0] === "g" ? -8 : 0;
  box.text.forEach(([words, kind, more], i) => {
    const text = element("text", { class: kind, "text-anchor": "middle", x: middle, y: top + 20 + 17 * i });
    text.textContent = words;
    if (more) text.append(element("tspan", { class: "type", "font-weight": 400 }, document.createTextNode(more)));
    made.append(text);
  });
  if (box.key[0] === "g") made.append(sign(-left - 13, 0, false, box.key));
  return made;
}

function drawFrame({ group, x, y, width: w, height: h }) {
  const it = groups[group];
  const made = element("g", { class: `cluster ${it.kind}`, "data-key": `g${group}` });
  made.append(element("rect", { class: "frame", x, y, width: w, height: h, rx: 8 }));
  const label = element("text", { class: "head", x: x + 26, y: y + 17 });
  label.textContent = cut(title(`g${group}`), 60);
  const more = it.kind === "module" && it.type !== it.name ? it.type : it.kind === "loop" ? it.words : "";
  if (more) label.append(element("tspan", { "font-weight": 400 }, document.createTextNode(`  ${cut(more, 50)}`)));
  made.append(label, sign(x + 13, y + 13, true, `g${group}`));
  return made;
}

function draw() {
  say("");
  if (!arrange()) return;
  const scene = element("g", { class: "scene" });
  const frames = [...layout.frames].sort((a, b) => ancestors(`g${a.group}`).length - ancestors(`g${b.group}`).length);
  frames.forEach((frame) => scene.append(drawFrame(frame)));
  for (const link of layout.links) {
    const style = (link.back ? " back" : "") + (link.saved ? " saved" : "") + (link.quiet ? " quiet" : "");
    link.line = element("path", { class: `edge${style}`, d: smooth(link.points) });
    link.head = element("polygon", { class: `arrow${style}`, points: arrowHead(link.points) });
    scene.append(link.line, link.head);
  }
  layout.boxes.forEach((box) => {
    box.drawn = drawBox(box);
    scene.append(box.drawn);
  });
  svg.replaceChildren(scene);
  const all = [...[...layout.boxes.values()].map((b) => ({ x: b.x - b.width / 2, y: b.y - b.height / 2, width: b.width + 8, height: b.height + 8 })), ...layout.frames];
  const xs = Math.min(...all.map((b) => b.x), 0);
  const ys = Math.min(...all.map((b) => b.y), 0);
  bounds = {
    x: xs - 12, y: ys - 12,
    width: Math.max(...all.map((b) => b.x + b.width), 1) - xs + 24,
    height: Math.max(...all.map((b) => b.y + b.height), 1) - ys + 24,
  };
  mark();
  place();
}

function place() {
  const scene = svg.querySelector(".scene");
  if (scene) scene.setAttribute("transform", `translate(${view.x},${view.y}) scale(${view.scale})`);
}

function fit(legible = false) {
  const box = svg.getBoundingClientRect();
  const whole = Math.min(box.width / bounds.width, box.height / bounds.height, 1.25);
  // At first sight words must be legible: rather a part of the graph than all of it too small to read.
  const scale = legible ? Math.max(whole, Math.min(0.85, box.width / bounds.width), 0.6) : whole;
  const tall = bounds.height * scale > box.height;
  const wide = bounds.width * scale > box.width;
  view = {
    scale,
    x: wide ? -bounds.x * scale : (box.width - bounds.width * scale) / 2 - bounds.x * scale,
    y: tall ? -bounds.y * scale : (box.height - bounds.height * scale) / 2 - bounds.y * scale,
  };
  if (wide && !tall && !across) view.x = (box.width - bounds.width * scale) / 2 - bounds.x * scale;
  place();
}

function zoom(factor, x, y) {
  const box = svg.getBoundingClientRect();
  const [cx, cy] = [x ?? box.width / 2, y ?? box.height / 2];
  const scale = Math.min(4, Math.max(0.03, view.scale * factor));
  view = { scale, x: cx - ((cx - view.x) * scale) / view.scale, y: cy - ((cy - view.y) * scale) / view.scale };
  place();
}

function centre(key) {
  const box = layout.boxes.get(key) ?? layout.frames.map((f) => ({ key: `g${f.group}`, x: f.x + f.width / 2, y: f.y + 20 })).find((f) => f.key === key);
  if (!box) return;
  const area = svg.getBoundingClientRect();
  const scale = Math.max(view.scale, 0.7);
  view = { scale, x: area.width / 2 - box.x * scale, y: area.height / 2 - box.y * scale };
  place();
}

// ---------------------------------------------------------------------------------------------------- opening, choosing

function toggle(key) {
  const group = Number(key.slice(1));
  const before = layout.boxes.get(key) ?? layout.frames.find((frame) => frame.group === group);
  const at = before && { x: before.x + (before.drawn ? 0 : before.width / 2), y: before.y };
  if (open.has(group)) open.delete(group); else open.add(group);
  const shown = { ...view };
  draw();
  const now = layout.boxes.get(key) ?? layout.frames?.find((frame) => frame.group === group);
  if (at && now) { // what was clicked stays under the mouse
    const to = { x: now.x + (now.drawn ? 0 : now.width / 2), y: now.y };
    view = { scale: shown.scale, x: shown.x + (at.x - to.x) * shown.scale, y: shown.y + (at.y - to.y) * shown.scale };
    place();
  }
}

function reveal(key) {
  const node = thing(key);
  let changed = false;
  if (key[0] === "n" && isBackward(node) && !show.backward) { show.backward = true; changed = true; }
  if (key[0] === "n" && !show.parameters && !visibleNode(node)) { show.parameters = true; changed = true; }
  for (const group of ancestors(key)) if (!open.has(group)) { open.add(group); changed = true; }
  if (changed) { switches(); draw(); }
  choose(key);
  centre(key);
}

function choose(key) {
  chosen = key;
  panel.hidden = key === null;
  if (key !== null) panel.replaceChildren(...describe(key, false));
  mark();
}

function mark() {
  if (!layout) return;
  const found = new Set(hits.map(seenIn));
  layout.boxes.forEach((box, key) => {
    if (!box.drawn) return;
    box.drawn.classList.toggle("chosen", key === chosen);
    box.drawn.classList.toggle("hit", found.has(key));
    box.drawn.classList.toggle("dim", hits.length > 0 && !found.has(key));
  });
  near(chosen);
}

function near(key) {
  for (const link of layout.links) {
    const close = key !== null && (link.from === key || link.to === key);
    link.line?.classList.toggle("near", close);
    link.head?.classList.toggle("near", close);
  }
}

function say(text) {
  const message = $(".message");
  message.textContent = text;
  message.hidden = !text;
}

// ---------------------------------------------------------------------------------------------------- details

function facts(rows) {
  const table = html("table");
  for (const [name, value] of rows) if (value !== "" && value !== null && value !== undefined) table.append(html("tr", {}, html("th", {}, name), html("td", {}, value)));
  return table;
}

function spread(value) {
  if (!value || value.minimum === null) return "";
  const parts = [`from ${number(value.minimum)} to ${number(value.maximum)}`, `mean ${number(value.mean)}`, `std ${number(value.std)}`];
  if (value.zeros > 0) parts.push(`${(100 * value.zeros).toPrecision(3)} % zeros`);
  if (value.not_finite) parts.push(`${count(value.not_finite)} not finite`);
  return parts.join(", ");
}

function describe(key, brief) {
  const it = thing(key);
  const found = [];
  if (key[0] === "g") {
    const words = { module: "module", loop: "loop", step: "round of a loop", backward: "backward of" };
    found.push(html("div", { class: "kind" }, words[it.kind]), html("h3", {}, title(key)));
    found.push(facts([
      ["class", it.type && it.detail ? `${it.type}(${it.detail})` : it.type], ["path", it.path], ["call", it.call > 1 ? `number ${it.call} of this module` : ""],
      ["output", it.outputs.map(shape).join(", ")], ["parameters", it.parameters ? count(it.parameters) : ""],
      ["multiply-adds", it.multiply_adds ? count(it.multiply_adds) : ""], ["operations", it.operations ? count(it.operations) : ""],
      [it.kind === "module" ? "" : "what", it.kind === "module" ? "" : it.words],
    ]));
    if (it.line) found.push(...yourLine(it.line));
    if (!brief) found.push(html("p", {}, html("button", { type: "button", onclick: () => toggle(key) }, open.has(it.id) ? "Close it" : "Open it")));
    if (brief) found.push(html("p", { class: "note" }, open.has(it.id) ? "" : "+ opens it, a click tells more"));
    return found;
  }
  const kind = { op: isBackward(it) ? "operation of the backward pass" : "operation", leaf: "tensor of yours" }[it.kind] ?? it.kind;
  found.push(html("div", { class: "kind" }, kind), html("h3", {}, title(key)));
  if (it.formula) found.push(html("p", {}, it.formula));
  found.push(facts([
    ["shape", it.shape ? `${it.shape.length ? shape(it.shape) : "a single number"}` : "not kept"], ["dtype", it.dtype],
    ...(brief ? [] : [
      ["memory", it.nbytes ? bytes(it.nbytes) : ""], ["multiply-adds", it.multiply_adds ? count(it.multiply_adds) : ""],
      ["trained", it.kind === "parameter" && !it.trainable ? "no" : ""], ["in", it.group === null ? "" : ancestors(key).map((group) => groups[group].name).join(" / ")],
    ]),
    ...Object.entries(it.attributes),
  ]));
  if (it.line) found.push(...yourLine(it.line));
  if (!brief) {
    if (into[it.id].length) found.push(html("h4", {}, "From"), ...into[it.id].slice(0, 30).map(([source, argument]) => link(`n${source}`, argument)));
    if (outOf[it.id].length) found.push(html("h4", {}, "To"), ...outOf[it.id].slice(0, 30).map(([target, argument]) => link(`n${target}`, argument)));
  }
  found.push(...values("Value", it.value, "", brief), ...values("Gradient", it.gradient, "of-gradient", brief));
  return found;
}

function link(key, argument) {
  const name = title(key) + (thing(key).shape ? `, ${shape(thing(key).shape)}` : "");
  return html("p", {}, argument ? `${argument}: ` : "", html("a", { role: "button", tabindex: 0, onclick: () => reveal(key) }, name));
}

function yourLine(line) {
  const at = line.indexOf(": ");
  return [html("p", { class: "line" }, html("code", {}, at < 0 ? line : line.slice(at + 2)), html("br"), html("small", {}, at < 0 ? "" : line.slice(0, at)))];
}

function values(name, value, style, brief) {
  if (!value) return [];
  const few = value.numbers !== null && flat(value.numbers).length <= (brief ? 16 : 64) && value.shape.length <= 2;
  const found = [html("h4", {}, name)];
  if (few && value.shape.length === 0) found.push(html("p", {}, number(value.numbers)));
  else if (few) found.push(matrix(value));
  if (!few || value.shape.length) found.push(html("p", {}, spread(value)));
  if (value.counts.length && !brief) found.push(histogram(value, style));
  return found;
}

function matrix(value) {
  const rows = value.shape.length === 2 ? value.numbers : [value.numbers];
  const most = Math.max(...flat(value.numbers).filter((one) => typeof one === "number").map(Math.abs), 0);
  const table = html("table", { class: "numbers" });
  for (const row of rows) {
    table.append(html("tr", {}, ...row.map((one) => {
      const part = most && typeof one === "number" ? Math.abs(one) / most : 0;
      const colour = one < 0 ? "213 94 0" : "0 114 178";
      return html("td", { style: `background: rgb(${colour} / ${(0.45 * part).toFixed(2)})` }, number(one));
    })));
  }
  return table;
}

function histogram(value, style) {
  const [w, h] = [280, 70];
  const most = Math.max(...value.counts);
  const each = w / value.counts.length;
  const picture = element("svg", { class: "histogram", viewBox: `0 0 ${w} ${h + 18}`, width: "100%", role: "img", "aria-label": "histogram" });
  value.counts.forEach((n, i) => picture.append(element("rect", { class: style, x: i * each + 0.5, y: h - (h * n) / most, width: each - 1, height: (h * n) / most })));
  picture.append(element("line", { x1: 0, x2: w, y1: h, y2: h }));
  const label = (x, anchor, text) => {
    const made = element("text", { x, y: h + 14, "text-anchor": anchor });
    made.textContent = text;
    picture.append(made);
  };
  label(0, "start", number(value.minimum));
  label(w, "end", number(value.maximum));
  if (value.minimum < 0 && value.maximum > 0) {
    const zero = (w * -value.minimum) / (value.maximum - value.minimum);
    picture.append(element("line", { x1: zero, x2: zero, y1: 0, y2: h, "stroke-dasharray": "2 3" }));
    if (zero > 40 && zero < w - 40) label(zero, "middle", "0");
  }
  return picture;
}

// ---------------------------------------------------------------------------------------------------- search

function search(text) {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (...fields) => words.every((word) => fields.some((field) => field && field.toLowerCase().includes(word)));
  hits = [];
  hit = -1;
  if (words.length) {
    groups.forEach((it) => { if (it.kind !== "step" && it.kind !== "backward" && matches(it.name, it.path, it.type)) hits.push(`g${it.id}`); });
    nodes.forEach((it) => { if ((show.backward || !isBackward(it)) && matches(it.name, it.variable, it.line, it.kind, it.attributes.key)) hits.push(`n${it.id}`); });
  }
  $(".hits").textContent = words.length ? (hits.length ? `${count(hits.length)} found` : "no match") : "";
  mark();
}

function next(step) {
  if (!hits.length) return;
  hit = (hit + step + hits.length) % hits.length;
  $(".hits").textContent = `${hit + 1} of ${hits.length}`;
  reveal(hits[hit]);
}

// ---------------------------------------------------------------------------------------------------- the frame around it

function switches() {
  const box = $(".switches");
  const wanted = [
    ["parameters", "parameters", nodes.some((node) => node.kind === "parameter" || node.kind === "buffer")],
    ["backward", "backward", nodes.some(isBackward)],
  ];
  box.replaceChildren(...wanted.filter(([, , there]) => there).map(([name, words]) => {
    const input = html("input", { type: "checkbox", name });
    input.checked = show[name];
    input.addEventListener("change", () => { show[name] = input.checked; draw(); fit(true); });
    return html("label", {}, input, ` ${words} `);
  }));
}

function legend() {
  const present = new Set();
  nodes.forEach((node) => present.add(className(`n${node.id}`).split(" ")[0]));
  groups.forEach((group) => present.add(group.kind));
  const entries = LEGEND.filter(([kind]) => present.has(kind)).map(([kind, words]) => {
    const picture = element("svg", { width: 26, height: 16, class: `node ${kind}` });
    const round = /^(input|leaf|output|gradient)$/.test(kind) ? 7 : /^(parameter|buffer)$/.test(kind) ? 0 : 3;
    picture.append(element("rect", { class: "box", x: 2, y: 2, width: 22, height: 12, rx: round }));
    if (/^(module|parameter)$/.test(kind)) picture.append(element("rect", { class: "stripe", x: 2, y: 2, width: 4, height: 12 }));
    return html("span", {}, picture, words);
  });
  if (nodes.some((node) => node.gradient)) entries.push(html("span", {}, "∂: gradient"));
  $(".legend").append(...entries, html("span", { class: "hint controls" }, "+ − open, close · click: details · drag: move · Ctrl+wheel: zoom"));
}

function totals() {
  $(".totals").textContent = [
    data.parameters ? plural(data.parameters, "parameter") : "",
    data.multiply_adds ? plural(data.multiply_adds, "multiply-add") : "",
    plural(data.operations, "operation"),
    data.left_out ? `${count(data.left_out)} earlier ones left out` : "",
  ].filter(Boolean).join(" · ");
}

function listen() {
  const page = root.classList.contains("page");
  const keyAt = (event) => event.target.closest?.("[data-key]")?.getAttribute("data-key") ?? null;
  let drag = null;
  svg.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, y: event.clientY, from: { ...view }, moved: false }; });
  svg.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
      if (!drag.moved && Math.hypot(dx, dy) < 4) return;
      drag.moved = true;
      svg.classList.add("dragged");
      tip.hidden = true;
      view = { ...view, x: drag.from.x + dx, y: drag.from.y + dy };
      place();
      return;
    }
    hover(keyAt(event), event);
  });
  svg.addEventListener("pointerup", () => { svg.classList.remove("dragged"); });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; near(chosen); });
  svg.addEventListener("click", (event) => {
    if (drag?.moved) { drag = null; return; }
    const sign = event.target.closest("[data-toggle]");
    if (sign) toggle(sign.getAttribute("data-toggle"));
    else choose(keyAt(event));
    tip.hidden = true;
  });
  svg.addEventListener("dblclick", (event) => { const key = keyAt(event); if (key?.[0] === "g") toggle(key); });
  svg.addEventListener("wheel", (event) => {
    if (!page && !event.ctrlKey && !event.metaKey) return; // in somebody's page the wheel scrolls the page
    event.preventDefault();
    const box = svg.getBoundingClientRect();
    if (page && !event.ctrlKey && !event.metaKey && event.deltaMode === 0 && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      view = { ...view, x: view.x - event.deltaX };
      place();
      return;
    }
    zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 60) * 0.004), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  root.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT") {
      if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") { event.target.value = ""; search(""); }
      return;
    }
    if (event.key === "/") { event.preventDefault(); $("input[type=search]").focus(); }
    else if (event.key === "f") fit();
    else if (event.key === "+" || event.key === "=") zoom(1.25);
    else if (event.key === "-") zoom(0.8);
    else if (event.key === "Escape") choose(null);
    else if (event.key === "Enter" && chosen?.[0] === "g") toggle(chosen);
    else if (moves[event.key]) { event.preventDefault(); view = { ...view, x: view.x + moves[event.key][0], y: view.y + moves[event.key][1] }; place(); }
  });
  $("input[type=search]").addEventListener("input", (event) => search(event.target.value));
  if (!groups.length) $(".open-all").hidden = $(".close-all").hidden = true;
  $(".open-all").addEventListener("click", () => { groups.forEach((group) => open.add(group.id)); draw(); fit(true); });
  $(".close-all").addEventListener("click", () => { open.clear(); draw(); fit(true); });
  $(".turn").addEventListener("click", () => { across = !across; draw(); fit(true); });
  $(".in").addEventListener("click", () => zoom(1.25));
  $(".out").addEventListener("click", () => zoom(0.8));
  $(".fit").addEventListener("click", () => fit());
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const theme = (printing = false) => root.classList.toggle("dark", !printing && (root.dataset.theme === "dark" || (root.dataset.theme === "auto" && darkness.matches)));
  theme();
  darkness.addEventListener("change", () => theme());
  addEventListener("beforeprint", () => {
    theme(true);
    svg.setAttribute("viewBox", `${bounds.x} ${bounds.y} ${bounds.width} ${bounds.height}`);
    svg.querySelector(".scene")?.removeAttribute("transform");
  });
  addEventListener("afterprint", () => { theme(); svg.removeAttribute("viewBox"); place(); });
  let seen = false; // in a part of a page that is folded away there is no size yet to fit to
  new ResizeObserver(() => { if (!seen && svg.getBoundingClientRect().width > 0) { seen = true; fit(true); } }).observe(svg);
}

function hover(key, event) {
  near(key ?? chosen);
  if (key === null || thing(key).kind === undefined) { tip.hidden = true; return; }
  if (tip.dataset.key !== key || tip.hidden) {
    tip.replaceChildren(...describe(key, true));
    tip.dataset.key = key;
  }
  tip.hidden = false;
  const box = stage.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  tip.style.left = `${Math.max(4, x + 18 + tip.offsetWidth > box.width ? x - tip.offsetWidth - 14 : x + 18)}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, box.height - tip.offsetHeight - 4))}px`;
}

switches();
legend();
totals();
listen();
draw();
fit(true);
root.pellucidGraph = { open, toggle, reveal, search, next, fit, layout: () => layout }; // for tests, and for the console
