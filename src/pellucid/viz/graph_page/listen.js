// Search, switches, mouse and keys; and the beginning.

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
    const picture = element("svg", { width: 26, height: 16, class: `node ${kind}`, "aria-hidden": "true" });
    const round = /^(input|leaf|output|gradient)$/.test(kind) ? 7 : /^(parameter|buffer)$/.test(kind) ? 0 : 3;
    picture.append(element("rect", { class: "box", x: 2, y: 2, width: 22, height: 12, rx: round }));
    if (/^(module|parameter)$/.test(kind)) picture.append(element("rect", { class: "stripe", x: 2, y: 2, width: 4, height: 12 }));
    return html("span", {}, picture, words);
  });
  if (nodes.some(isBackward)) {
    const picture = element("svg", { width: 26, height: 16, "aria-hidden": "true" }, element("path", { class: "edge saved", d: "M2,8H24" }));
    entries.push(html("span", {}, picture, "kept for backward"));
  }
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
  (page ? document : root).addEventListener("keydown", (event) => { // a page of its own answers at once
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.type === "search") {
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
  $(".open-all").addEventListener("click", openAll);
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
  let seen = 0; // in a part of a page that is folded away there is no size yet to fit to
  new ResizeObserver(() => {
    const { width } = svg.getBoundingClientRect();
    if (!seen && width > 0) begin();
    else if (page && width > 0 && width !== seen && view === fitted) fit(true); // the window changed, and nothing was moved
    seen = width || seen;
  }).observe(svg);
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
root.pellucidGraph = { open, toggle, reveal, search, next, fit, layout: () => layout, view: () => view }; // for tests, and for the console
