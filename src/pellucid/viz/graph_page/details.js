// What the panel at the side and the hint at the mouse say of a box.

function facts(rows) {
  const table = html("table", { "aria-label": "facts" });
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
  if (explain && !brief && key[0] === "n") return explain(key);
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
  const kind = { op: isBackward(it) ? "operation of the backward pass" : "operation", leaf: "leaf: made by you, not computed" }[it.kind] ?? it.kind;
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
  if (!it.value && it.kind === "op" && !brief) found.push(html("h4", {}, "Value"), html("p", {}, "not kept: record_graph() keeps every one"));
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
  else if (few) found.push(matrix(value, name));
  if (!few || value.shape.length) found.push(html("p", {}, spread(value)));
  if (value.counts.length && !brief) found.push(histogram(value, style));
  return found;
}

function matrix(value, name) {
  const rows = value.shape.length === 2 ? value.numbers : [value.numbers];
  const most = Math.max(...flat(value.numbers).filter((one) => typeof one === "number").map(Math.abs), 0);
  const table = html("table", { class: "numbers", role: "table", "aria-label": `${name}, ${shape(value.shape)}` });
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
