"use strict";
const { length, boxes } = JSON.parse(document.getElementById("data").textContent);
const chart = document.getElementById("chart");
const scale = document.getElementById("scale");
const search = document.getElementById("search");
const said = document.getElementById("said");
const ROW = 22;
const LEAST = 0.7; // pixels: what is narrower now is drawn when its neighbourhood fills the page
let view = [0, length];

const time = (seconds) =>
  seconds >= 1 ? `${seconds.toFixed(2)} s` : seconds >= 1e-3 ? `${(1e3 * seconds).toFixed(2)} ms` : `${(1e6 * seconds).toFixed(1)} µs`;

function describe(box) {
  const taken = box.to - box.from;
  const share = ((100 * taken) / length).toFixed(1);
  return `${box.name}: ${time(taken)}, ${share} % of the step, ${box.phase}` + (box.tip ? `\n${box.tip}` : "");
}

function matches(box) {
  const wanted = search.value.trim().toLowerCase();
  return wanted !== "" && box.name.toLowerCase().includes(wanted);
}

function draw() {
  const [from, to] = view;
  const width = chart.clientWidth;
  const within = (seconds) => ((seconds - from) / (to - from)) * width;
  const drawn = document.createDocumentFragment();
  let deepest = 0;
  for (const box of boxes) {
    if (box.to <= from || box.from >= to) continue;
    const left = Math.max(0, within(box.from));
    const right = Math.min(width, within(box.to));
    if (right - left < LEAST) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = `box ${box.phase}`;
    button.classList.toggle("narrow", right - left < 14);
    button.classList.toggle("around", box.from < from || box.to > to);
    button.classList.toggle("found", matches(box));
    button.style.left = `${left}px`;
    button.style.width = `${right - left}px`;
    button.style.top = `${ROW * box.depth + 2}px`;
    if (right - left >= 14) button.textContent = box.name;
    button.title = describe(box);
    button.setAttribute("aria-label", describe(box));
    button.addEventListener("focus", () => { said.textContent = describe(box); });
    button.addEventListener("mouseenter", () => { said.textContent = describe(box); });
    button.addEventListener("click", () => show(box.from, box.to));
    drawn.append(button);
    deepest = Math.max(deepest, box.depth);
  }
  chart.replaceChildren(drawn);
  chart.style.height = `${ROW * (deepest + 1) + 4}px`;
  const marks = width > 600 ? 6 : 3;
  scale.replaceChildren(
    ...Array.from({ length: marks }, (_, i) => {
      const mark = document.createElement("span");
      mark.style.left = `${(100 * i) / marks}%`;
      mark.textContent = time(from + ((to - from) * i) / marks);
      return mark;
    }),
  );
}

function show(from, to) {
  view = [from, to];
  draw();
}

search.addEventListener("input", () => {
  draw();
  const found = boxes.filter(matches);
  const innermost = found.filter((box) => !found.some((other) => other !== box && other.from <= box.from && other.to >= box.to && other.depth < box.depth));
  const taken = innermost.reduce((sum, box) => sum + box.to - box.from, 0);
  said.textContent = search.value.trim() ? `${found.length} found, ${time(taken)} in all` : "";
});
document.getElementById("whole").addEventListener("click", () => show(0, length));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") show(0, length);
  if (event.key === "/" && document.activeElement !== search) {
    event.preventDefault();
    search.focus();
  }
});
addEventListener("resize", draw);
draw();
