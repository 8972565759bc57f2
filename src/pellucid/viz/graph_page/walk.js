// A walk through the graph: a slider over its steps, in each box the numbers that are there so far, in the panel the
// step, or all that is to say of the node that was picked. `data.walk` is what `derivation/walk.py` has of it.

const walk = data.walk;
const steps = walk.steps;
let at = 0; // the step
const CELL = 9;
const CELLS = 8; // rows and columns of a small picture of a matrix

const forwardAt = new Map();
const backwardAt = new Map();
steps.forEach((step, i) => {
  if (step.phase === "forward") forwardAt.set(step.node, i);
  if (step.phase === "seed") backwardAt.set(step.node, i);
  if (step.phase === "backward" && !backwardAt.has(step.node)) backwardAt.set(step.node, i);
});
nodes.forEach((node) => { // a leaf has its gradient when the last of its uses has sent its share
  const uses = walk.flows.filter((flow) => flow.source === node.id);
  if (node.kind !== "op" && uses.length) backwardAt.set(node.id, Math.max(...uses.map((flow) => backwardAt.get(flow.target) ?? 0)));
});

known = (node, what) => (what === "value"
  ? at >= (forwardAt.get(node.id) ?? 0)
  : at >= (backwardAt.get(node.id) ?? Infinity));

// Matrices as rows, small pictures of them, equations

function rowsOf(matrix) {
  if (!matrix || matrix.numbers === null || matrix.numbers === undefined) return null;
  const all = flat(matrix.numbers);
  const long = matrix.shape.length ? matrix.shape[matrix.shape.length - 1] : 1;
  const found = [];
  for (let i = 0; i < all.length; i += long) found.push(all.slice(i, i + long));
  return found;
}

function table(matrix_, name) {
  const rows = rowsOf(matrix_);
  if (!matrix_) return html("span", {}, "–");
  if (rows === null) return html("span", { class: "kind" }, `${shape(matrix_.shape)}: too many numbers to show`);
  if (!matrix_.shape.length) return html("span", { class: "single" }, number(matrix_.numbers));
  return matrix({ shape: [rows.length, rows[0]?.length ?? 0], numbers: rows }, name);
}

function named(symbol, matrix_) {
  return html("figure", {}, html("figcaption", {}, symbol, html("small", {}, matrix_ && matrix_.shape.length ? ` ${shape(matrix_.shape)}` : "")), table(matrix_, symbol));
}

function equation(terms) {
  return html("div", { class: "equation" }, ...terms.map((term) => (typeof term === "string" ? html("span", { class: "sign" }, term) : named(term.symbol, term))));
}

function sketch(made, matrix_, x, y, shown, style) {
  const rows = rowsOf(matrix_).slice(0, CELLS).map((row) => row.slice(0, CELLS).map((one) => (typeof one === "boolean" ? Number(one) : one)));
  const most = Math.max(...rows.flat().filter((one) => typeof one === "number").map(Math.abs), 0);
  const [w, h] = [CELL * rows[0].length, CELL * rows.length];
  if (shown) {
    rows.forEach((row, i) => row.forEach((one, j) => {
      const part = most && typeof one === "number" ? 0.12 + 0.88 * (Math.abs(one) / most) : 0.05;
      made.append(element("rect", {
        class: one < 0 ? "minus" : "plus", x: x + CELL * j, y: y + CELL * i, width: CELL - 0.7, height: CELL - 0.7,
        "fill-opacity": one === 0 ? 0 : part.toFixed(2),
      }));
      if (one < 0) made.append(element("path", { class: "dash", d: `M${x + CELL * j + 2},${y + CELL * i + CELL / 2 - 0.4}h${CELL - 4.7}` }));
    }));
  }
  made.append(element("rect", { class: `sketch ${style}`, x: x - 1, y: y - 1, width: w + 1.3, height: h + 1.3, rx: 1.5 }));
}

const sketched = (matrix_) => matrix_ && matrix_.shape.length > 0 && flat(matrix_.numbers ?? []).length > 1;
const sizeOf = (matrix_) => { const rows = rowsOf(matrix_).slice(0, CELLS); return [CELL * Math.min(rows[0].length, CELLS), CELL * rows.length]; };

adorn = {
  size(key) {
    const it = key[0] === "n" ? thing(key) : null;
    if (!it || !sketched(it.value)) return { width: 0, height: 0 };
    const [w, h] = sizeOf(it.value);
    return { width: (walk.gradients[it.id] ? 2 * w + 26 : w) + 26, height: h + 8 };
  },
  draw(box, made) {
    const it = thing(box.key);
    const [w] = sizeOf(it.value);
    const gradient = walk.gradients[it.id];
    const all = gradient ? 2 * w + 26 : w;
    const y = -(14 + 17 * box.text.length + box.more) / 2 + 11 + 17 * box.text.length;
    sketch(made, it.value, -all / 2, y, known(it, "value"), "of-value");
    if (!gradient) return;
    const sign = element("text", { class: "small gradient-text", "text-anchor": "end", x: all / 2 - w - 5, y: y + 9 });
    sign.textContent = "∂";
    made.append(sign);
    if (sketched(gradient)) sketch(made, gradient, all / 2 - w, y, known(it, "gradient"), "of-gradient");
  },
};

// The panel

const nameOf = (id) => walk.names[id];
const go = (id) => html("a", { role: "button", tabindex: 0, onclick: () => reveal(`n${id}`) }, nameOf(id));
const head = (words) => html("h4", {}, words);

// Why the gradient is what it is: what each use has sent, and their sum.
function arrived(id) {
  const flows = walk.flows.filter((flow) => flow.source === id);
  const gradient = walk.gradients[id];
  if (!gradient) return [head("Gradient"), html("p", {}, nodes[id].kind === "op" ? "None: nothing that is differentiated passes here." : "None: it is data, nothing asks for its gradient.")];
  const found = [head(`∂${nameOf(walk.result)}/∂${nameOf(id)}: where its gradient comes from`)];
  if (id === walk.result) found.push(html("p", {}, "The walk back begins here, with 1."), equation([{ symbol: `∂${nameOf(id)}/∂${nameOf(id)}`, ...walk.seed }]));
  const use = (flow) => html("span", {}, "from ", go(flow.target), `, where it is ${flow.letter}: `, html("code", {}, flow.text));
  if (flows.length > 1) {
    const terms = [{ symbol: `∂ ${nameOf(id)}`, ...gradient }, "="];
    flows.forEach((flow, i) => terms.push(...(i ? ["+"] : []), { symbol: `from ${nameOf(flow.target)}`, ...flow.array }));
    found.push(html("p", {}, `It is used ${flows.length} times, so ${flows.length} shares are added up:`), equation(terms));
    for (const flow of flows) found.push(html("details", {}, html("summary", {}, use(flow)), equation(flow.terms)));
  } else if (flows.length) found.push(html("p", {}, use(flows[0])), equation(flows[0].terms));
  if (walk.rest[id]) found.push(html("p", {}, "A part came by a way that the record does not show (a Function of your own, a change in place):"), table(walk.rest[id], "that part"));
  return found;
}

// The same in short, for a step: what was sent stood in the steps before.
function whole(id) {
  const flows = walk.flows.filter((flow) => flow.source === id);
  const gradient = { symbol: `∂${nameOf(walk.result)}/∂${nameOf(id)}`, ...walk.gradients[id] };
  const found = [head("The gradient that has arrived")];
  if (flows.length < 2) return [...found, equation([gradient])];
  const terms = [gradient, "="];
  flows.forEach((flow, i) => terms.push(...(i ? ["+"] : []), { symbol: `from ${nameOf(flow.target)}`, ...flow.array }));
  return [...found, html("p", {}, `It is used ${flows.length} times, so ${flows.length} shares are added up:`), equation(terms)];
}

function sent(id) {
  const flows = walk.flows.filter((flow) => flow.target === id);
  if (!flows.length) return [];
  const found = [head("What it sends back to what it was given")];
  for (const flow of flows) {
    found.push(html("p", { class: "to" }, "to ", go(flow.source), ": ", html("code", {}, flow.text)), equation(flow.terms));
    if (flow.code) found.push(html("p", { class: "kind" }, "as declared: ", html("code", {}, flow.code)));
    if (flow.entry) found.push(html("p", { class: "kind" }, "numbers put in: ", html("code", {}, flow.entry)));
  }
  if (walk.why[id]) found.push(html("p", { class: "why" }, walk.why[id]));
  return found;
}

function computed(id) {
  const it = nodes[id];
  const found = [];
  if (it.kind === "op") {
    found.push(html("p", {}, html("code", {}, walk.calls[id])), html("p", { class: "kind" }, it.formula));
    for (const [source, argument] of into[id]) found.push(html("div", { class: "given" }, html("span", {}, `${argument}: `, go(source)), table(nodes[source].value, argument)));
  }
  found.push(head(it.kind === "op" ? "Its result" : "Its numbers"), named(nameOf(id), it.value));
  if (it.line) found.push(...yourLine(it.line));
  return found;
}

function leaves() {
  return nodes.filter((node) => node.kind !== "op" && walk.gradients[node.id]);
}

function stepPanel() {
  const step = steps[at];
  const kinds = { start: "given", forward: "forward", seed: "backward", backward: "backward", end: "done" };
  const found = [html("div", { class: "kind" }, `step ${at + 1} of ${steps.length}: ${kinds[step.phase]}`)];
  found.push(html("h3", {}, step.node === null ? step.words : nameOf(step.node)));
  if (at === 0) found.push(...walk.notes.map((note) => html("p", { class: "why" }, note)));
  if (step.phase === "start") for (const node of nodes) { if (node.kind !== "op") found.push(named(nameOf(node.id), node.value)); }
  if (step.phase === "forward") found.push(...computed(step.node));
  if (step.phase === "seed") found.push(...arrived(step.node));
  if (step.phase === "backward") found.push(...whole(step.node), ...sent(step.node));
  if (step.phase === "end") {
    found.push(html("p", {}, "Pick any box to see why its gradient is what it is."));
    for (const node of leaves()) found.push(named(`∂ ${nameOf(node.id)}`, walk.gradients[node.id]));
  }
  return found;
}

explain = (key) => {
  if (key === null) return stepPanel();
  const id = thing(key).id;
  const back = html("button", { type: "button", onclick: () => choose(null) }, `Back to step ${at + 1}`);
  return [html("div", { class: "kind" }, thing(key).kind === "op" ? "operation" : thing(key).kind), html("h3", {}, nameOf(id)), html("p", {}, back), ...computed(id), ...arrived(id), ...sent(id)];
};

// The slider

const bar = html("div", { class: "walk" });
const slider = html("input", { type: "range", min: 0, max: steps.length - 1, step: 1, value: 0, "aria-label": "Step" });
const where = html("span", { class: "where" });
const told = html("span", { class: "told", "aria-live": "polite" });
const first = steps.findIndex((step) => step.phase === "seed");
bar.append(
  html("button", { type: "button", class: "before", title: "One step back ( ← )", "aria-label": "One step back", onclick: () => goTo(at - 1) }, "◀"),
  slider,
  html("button", { type: "button", class: "after", title: "One step on ( → )", "aria-label": "One step on", onclick: () => goTo(at + 1) }, "▶"),
  where, told,
);
$(".bar").after(bar);
if (first > 0) slider.style.setProperty("--turn", `${(100 * (first - 0.5)) / (steps.length - 1)}%`);

function goTo(step) {
  at = Math.min(Math.max(step, 0), steps.length - 1);
  const now = steps[at];
  slider.value = at;
  slider.setAttribute("aria-valuetext", now.words);
  where.textContent = `${at + 1} / ${steps.length}`;
  told.textContent = now.words;
  const back = now.phase === "seed" || now.phase === "backward" || now.phase === "end";
  root.classList.toggle("walk-back", back);
  chosen = null;
  draw();
  choose(null);
  const key = now.node === null ? null : seenIn(`n${now.node}`);
  if (key === null) return;
  const box = layout.boxes.get(key);
  const area = svg.getBoundingClientRect();
  const [x, y] = [view.x + box.x * view.scale, view.y + box.y * view.scale];
  if (x < 40 || y < 40 || x > area.width - 40 || y > area.height - 40) centre(key);
}

repaint = () => {
  const now = steps[at];
  const key = now.node === null ? null : seenIn(`n${now.node}`);
  const back = root.classList.contains("walk-back");
  layout.boxes.forEach((box, one) => {
    const it = one[0] === "n" ? thing(one) : null;
    box.drawn?.classList.toggle("now", one === key);
    box.drawn?.classList.toggle("later", Boolean(it && !known(it, "value")));
  });
  if (key === null || (now.phase !== "forward" && now.phase !== "backward")) return;
  for (const link of layout.links.filter((one) => one.to === key && one.head)) {
    if (back) { // it goes the other way, to those that have a gradient
      if (!walk.flows.some((flow) => flow.target === now.node && seenIn(`n${flow.source}`) === link.from)) continue;
      link.head.setAttribute("points", arrowHead([...link.points].reverse()));
    }
    link.line.classList.add("near");
    link.head.classList.add("near");
  }
};

slider.addEventListener("input", () => goTo(Number(slider.value)));
function keys(event) {
  if (event.target.type === "search" || event.altKey || event.ctrlKey || event.metaKey) return;
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: steps.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  goTo(to);
}
(root.classList.contains("page") ? document : root).addEventListener("keydown", keys, true);

$(".legend .hint").textContent = "← →: steps · click: why its gradient · drag: move · Ctrl+wheel: zoom";
for (const [style, words] of [["of-value", "value: blue +, orange −"], ["of-gradient", "gradient"]]) {
  const picture = element("svg", { width: 34, height: 16, "aria-hidden": "true" });
  sketch(picture, { shape: [1, 3], numbers: [[1, -1, 0.4]] }, 3, 3, true, style);
  $(".legend .hint").before(html("span", {}, picture, words));
}
// Turned as it is larger, and shown whole where its words are still legible.
function scaleNow() {
  draw();
  const area = svg.getBoundingClientRect();
  return Math.min(area.width / bounds.width, area.height / bounds.height);
}
begin = () => {
  const scales = [scaleNow()];
  across = !across;
  scales.push(scaleNow());
  if (Math.max(...scales) < 0.6) across = data.across && innerWidth > 700;
  else if (scales[1] < scales[0]) across = !across;
  goTo(at);
  fit(Math.max(...scales) < 0.6);
};
goTo(0);
begin();
root.pellucidWalk = { goTo, at: () => at, steps };
