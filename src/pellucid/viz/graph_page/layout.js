// Which boxes there are, how large, and where.

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
  const more = adorn ? adorn.size(key) : { width: 0, height: 0 };
  return { key, text, width: Math.ceil(Math.max(46, widest + pad, more.width)), height: 14 + 17 * text.length + more.height, more: more.height };
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
  if (boxes.size > MOST) return boxes.size;
  for (const key of boxes.keys()) boxes.set(key, sized(key));
  (boxes.size <= DAGRE ? withDagre : inRows)(layout);
  return 0;
}

// The backward pass stands beside the forward pass and runs the other way, so that each gradient is level with what it
// is the gradient of.
function withDagre({ boxes, clusters, links }) {
  const behind = (key) => (key[0] === "g" ? thing(key).kind === "backward" : isBackward(thing(key)));
  for (const box of boxes.values()) { // as high as what it mirrors: the two columns stay level
    const of = box.key[0] === "g" && boxes.get(`g${thing(box.key).of}`);
    if (of) box.height = of.height = Math.max(box.height, of.height);
  }
  layout.frames = [];
  const forward = oneSide(boxes, clusters, links, (key) => !behind(key));
  const backward = oneSide(boxes, clusters, links, behind);
  const [dx, dy] = across
    ? [forward.width - backward.width, forward.height + 60]
    : [forward.width + 60, forward.height - backward.height];
  const shift = (one) => { one.x += dx; one.y += dy; };
  boxes.forEach((box, key) => { if (behind(key)) shift(box); });
  layout.frames.forEach((frame) => { if (behind(`g${frame.group}`)) shift(frame); });
  for (const link of links) {
    const [from, to] = [behind(link.from), behind(link.to)];
    if (from && to && !link.quiet) link.points.forEach((point, i) => { link.points[i] = { x: point.x + dx, y: point.y + dy }; });
    else if (from !== to) link.points = between(boxes.get(link.from), boxes.get(link.to));
    else if (link.quiet) link.points = straight(boxes, link);
  }
}

function oneSide(boxes, clusters, links, mine) {
  const graph = new dagre.graphlib.Graph({ compound: true, multigraph: false });
  graph.setGraph({ rankdir: across ? "LR" : "TB", nodesep: 22, ranksep: across ? 42 : 32, edgesep: 12, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  const keys = [...boxes.keys()].filter(mine);
  const frames = clusters.filter((group) => mine(`g${group}`));
  keys.forEach((key) => graph.setNode(key, { width: boxes.get(key).width, height: boxes.get(key).height }));
  frames.forEach((group) => graph.setNode(`g${group}`, {}));
  [...keys, ...frames.map((group) => `g${group}`)].forEach((key) => {
    const parent = parentOf(key);
    if (parent !== null) graph.setParent(key, `g${parent}`);
  });
  const inner = links.filter((link) => !link.quiet && mine(link.from) && mine(link.to));
  const ends = (link) => (link.back ? [link.to, link.from] : [link.from, link.to]);
  inner.forEach((link) => graph.setEdge(...ends(link)));
  if (!keys.length) return { width: 0, height: 0 };
  dagre.layout(graph);
  keys.forEach((key) => Object.assign(boxes.get(key), { x: graph.node(key).x, y: graph.node(key).y }));
  for (const link of inner) {
    const { points } = graph.edge(...ends(link));
    link.points = link.back ? [...points].reverse() : [...points];
  }
  const made = frames.map((group) => {
    const { x, y, width: w, height: h } = graph.node(`g${group}`);
    return { group, depth: ancestors(`g${group}`).length, x: x - w / 2, y: y - h / 2, width: w, height: h };
  });
  let named = withNames(made), added = 0;
  const within = (a, b) => a.x >= b.x - 1 && a.x + a.width <= b.x + b.width + 1 && a.y >= b.y - 1 && a.y + a.height <= b.y + b.height + 1;
  const apart = (a, b) => a.x >= b.x + b.width || b.x >= a.x + a.width || a.y >= b.y + b.height || b.y >= a.y + a.height;
  const meet = (a, b) => a !== b && !apart(a, b) && !within(a, b) && !within(b, a);
  if (across || named.some((frame) => named.some((other) => meet(frame, other)))) {
    added = makeRoom(made, keys.map((key) => boxes.get(key)), inner);
    named = withNames(made);
  }
  layout.frames.push(...named);
  return { width: graph.graph().width, height: graph.graph().height + added };
}

// A frame has its name in its upper left corner, and so needs room there.
function withNames(frames) {
  const found = [];
  for (const { depth, ...frame } of [...frames].sort((a, b) => b.depth - a.depth)) { // those inside first
    const inside = found.filter((other) => groups[other.group].parent === frame.group).map((other) => other.y);
    const top = Math.min(frame.y - 20, ...inside.map((at) => at - 24));
    found.push({ ...frame, y: top, height: frame.y + frame.height - top });
  }
  return found;
}

// Where something else is in the room for a name, and from left to right always: all that is below is moved down.
function makeRoom(frames, boxes, links) {
  const before = new Map(); // frames side by side share their room, one inside another does not
  frames.forEach((frame) => before.set(`${Math.round(frame.y)} ${frame.depth}`, frame.y));
  const tops = [...before.values()].sort((a, b) => a - b);
  const moved = (y) => y + 26 * tops.filter((top) => top <= y).length;
  frames.forEach((frame) => {
    const bottom = moved(frame.y + frame.height);
    frame.y = moved(frame.y);
    frame.height = bottom - frame.y;
  });
  boxes.forEach((box) => { box.y = moved(box.y); });
  links.forEach((link) => { link.points = link.points.map(({ x, y }) => ({ x, y: moved(y) })); });
  return 26 * tops.length;
}

// From the side of one box to the side of another.
function between(from, to) {
  if (across) {
    const [start, end] = [{ x: from.x, y: from.y + from.height / 2 }, { x: to.x, y: to.y - to.height / 2 }];
    const middle = (start.y + end.y) / 2;
    return [start, { x: start.x, y: middle }, { x: end.x, y: middle }, end];
  }
  const [start, end] = [{ x: from.x + from.width / 2, y: from.y }, { x: to.x - to.width / 2, y: to.y }];
  const middle = end.x - 30;
  return [start, { x: middle, y: start.y }, { x: middle, y: end.y }, end];
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
