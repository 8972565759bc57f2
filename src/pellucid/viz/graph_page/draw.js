// The picture, and which part of it is seen; opening and closing.

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
    const y = 20 - (14 + 17 * box.text.length + box.more) / 2 + 17 * i;
    const text = element("text", { class: kind, "text-anchor": "middle", x: middle, y });
    text.textContent = words;
    if (more) text.append(element("tspan", { class: "type", "font-weight": 400 }, document.createTextNode(more)));
    made.append(text);
  });
  if (box.key[0] === "g") made.append(sign(-left - 13, 0, false, box.key));
  if (box.more) adorn.draw(box, made);
  return made;
}

function drawFrame({ group, x, y, width: w, height: h }) {
  return element("g", { class: `cluster ${groups[group].kind}`, "data-key": `g${group}` },
    element("rect", { class: "frame", x, y, width: w, height: h, rx: 8 }));
}

function drawName({ group, x, y }) {
  const it = groups[group];
  const made = element("g", { class: `cluster ${it.kind}`, "data-key": `g${group}` });
  const label = element("text", { class: "head", x: x + 26, y: y + 17 });
  label.textContent = cut(title(`g${group}`), 60);
  const more = it.kind === "module" && it.type !== it.name ? it.type : it.kind === "loop" ? it.words : "";
  if (more) label.append(element("tspan", { "font-weight": 400 }, document.createTextNode(`  ${cut(more, 50)}`)));
  made.append(label, sign(x + 13, y + 13, true, `g${group}`));
  return made;
}

// Draws what is open. Where that is too much, `undo` closes what was opened last.
function draw(undo) {
  say("");
  const before = layout;
  const tooMany = arrange();
  if (tooMany) {
    if (undo && before) { undo(); layout = before; }
    say(`${count(tooMany)} boxes are too many to draw at once${undo ? "" : "; close some of them"}`);
    return;
  }
  const scene = element("g", { class: "scene" });
  const frames = [...layout.frames].sort((a, b) => ancestors(`g${a.group}`).length - ancestors(`g${b.group}`).length);
  frames.forEach((frame) => scene.append(drawFrame(frame)));
  for (const link of layout.links) {
    const style = (link.back ? " back" : "") + (link.saved ? " saved" : "") + (link.quiet ? " quiet" : "");
    link.line = element("path", { class: `edge${style}`, d: smooth(link.points) });
    link.head = element("polygon", { class: `arrow${style}`, points: arrowHead(link.points) });
    scene.append(link.line, link.head);
  }
  frames.forEach((frame) => scene.append(drawName(frame))); // above the lines that cross it
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

let fitted = null; // the view as it was fitted: another one is the reader's own

function fit(legible = false) {
  const box = svg.getBoundingClientRect();
  const whole = Math.min(box.width / bounds.width, box.height / bounds.height, 1.25);
  // At first sight words must be legible: rather a part of the graph than all of it too small to read.
  const scale = legible && whole < 0.72 ? Math.max(Math.min(0.85, box.width / bounds.width), 0.6) : whole;
  const tall = bounds.height * scale > box.height;
  const wide = bounds.width * scale > box.width;
  view = {
    scale,
    x: wide ? -bounds.x * scale : (box.width - bounds.width * scale) / 2 - bounds.x * scale,
    y: tall ? -bounds.y * scale : (box.height - bounds.height * scale) / 2 - bounds.y * scale,
  };
  if (wide && !tall && !across) view.x = (box.width - bounds.width * scale) / 2 - bounds.x * scale;
  fitted = view;
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

// Opening and choosing

function toggle(key) {
  const group = Number(key.slice(1));
  const before = layout.boxes.get(key) ?? layout.frames.find((frame) => frame.group === group);
  const at = before && { x: before.x + (before.drawn ? 0 : before.width / 2), y: before.y };
  if (open.has(group)) open.delete(group); else open.add(group);
  const shown = { ...view };
  draw(() => open.delete(group));
  const now = layout.boxes.get(key) ?? layout.frames?.find((frame) => frame.group === group);
  if (at && now) { // what was clicked stays under the mouse
    const to = { x: now.x + (now.drawn ? 0 : now.width / 2), y: now.y };
    view = { scale: shown.scale, x: shown.x + (at.x - to.x) * shown.scale, y: shown.y + (at.y - to.y) * shown.scale };
    place();
  }
}

// Level by level, as long as a browser can draw it without a long wait.
function openAll() {
  let level = [...(inside.get(null) ?? [])].filter((key) => key[0] === "g");
  const boxesIn = (key) => (inside.get(Number(key.slice(1))) ?? []).length;
  let shown = (inside.get(null) ?? []).length;
  let left = 0;
  while (level.length) {
    const below = [];
    for (const key of level) {
      if (shown + boxesIn(key) > DAGRE) { left += 1; continue; }
      shown += boxesIn(key) - 1;
      open.add(Number(key.slice(1)));
      below.push(...(inside.get(Number(key.slice(1))) ?? []).filter((inner) => inner[0] === "g"));
    }
    level = below;
  }
  draw();
  fit(true);
  if (left) say(`${plural(left, "group")} left closed: open the one you want to look into`);
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
  panel.hidden = key === null && !explain;
  if (key !== null || explain) panel.replaceChildren(...(key === null ? explain(null) : describe(key, false)));
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
  if (repaint) repaint();
}

function say(text) {
  const message = $(".message");
  message.textContent = text;
  message.hidden = !text;
}
