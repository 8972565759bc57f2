// The page: controls, keys, and what the server says. Drawing is in drawing.js.

import { Network, Output, curves, histogram, readTheme, surface, theme } from "./drawing.js";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") || "";
const form = $("settings");
const network = new Network($("network")), output = new Output($("output"));
const state = {
  choices: null, begun: null, frame: null, fresh: false, playing: false, epochs: [[], []], quiz: false,
  frames: 0, drawn: 0, since: performance.now(), all: 0, costs: new Float64Array(64), written: 0, said: 0, surface: null, verdict: null, shown: 0, asked: null,
};
window.playground = { state, send }; // for measuring from outside

// The server ------------------------------------------------------------------------------------------------------

let socket = null;

function send(order) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(order));
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/live?token=${encodeURIComponent(token)}`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => sendSettings());
  socket.addEventListener("close", () => {
    setPlaying(false, false);
    trouble("The server is gone: start it again with pellucid playground, and open the address that it prints.");
  });
  socket.addEventListener("message", ({ data }) => {
    if (data instanceof ArrayBuffer) arrived(data);
    else answers[JSON.parse(data).kind]?.(JSON.parse(data));
  });
}

function arrived(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let at = 4 + length;
  const [weights, gradients, units, out] = header.lengths.map((bytes, i) => {
    const part = i < 2 ? new Float32Array(data, at, bytes / 4) : new Uint8Array(data, at, bytes);
    at += bytes;
    return part;
  });
  for (const [, train, test] of header.epochs) {
    state.epochs[0].push(train);
    state.epochs[1].push(test);
  }
  state.frame = { ...header, weights, gradients, units, output: out };
  state.fresh = true;
}

const answers = {
  begun(begun) {
    state.begun = begun;
    state.epochs = [[], []];
    state.frame = null;
    state.quiz = begun.quiz;
    state.surface = null;
    network.begin(begun);
    output.begin(begun);
    fill(begun.settings);
    offerWeights();
    $("mistake").value = begun.mistake || "";
    $("quiz-panel").hidden = !begun.quiz;
    $("write").disabled = begun.quiz;
    $("source").hidden = $("download").hidden = true;
    if (state.asked !== subject() && !$("ask").disabled) $("doctor").hidden = true; // it was about another program
    const known = state.choices.mistakes.find(({ name }) => name === begun.mistake);
    $("planted").textContent = begun.quiz
      ? "A mistake is planted. Train, look, ask the doctor if you like, and guess."
      : known ? `Planted: ${known.title}. ${known.why}` : "";
    $("network-legend").textContent = begun.sizes.join("-") + ": blue is above 0, orange below; the thicker, the larger.";
    $("output-legend").textContent = begun.regression
      ? "Blue is above 0, orange below. Circles are for training, squares for the test."
      : "Each class has a colour. Circles are for training, squares for the test.";
    trouble("");
    if (state.playing) send({ do: "play" });
    for (const id of ["now", "before", "gradient", "checked"]) $(`weight-${id}`).textContent = "–";
    $("weight-said").textContent = "";
    send({ do: "surface" });
  },
  refused({ text, doctor }) {
    if (doctor) {
      $("doctor-state").textContent = "";
      $("ask").disabled = false;
    }
    trouble(text);
  },
  failed({ text }) {
    setPlaying(false, false);
    $("doctor-state").textContent = "";
    $("ask").disabled = false;
    trouble(`The program ended with an error: ${text}`);
  },
  weight(found) {
    const number = (value) => (value === null ? "–" : value.toPrecision(6));
    $("weight-now").textContent = number(found.now);
    $("weight-before").textContent = number(found.before);
    $("weight-gradient").textContent = number(found.gradient);
    $("weight-checked").textContent = number(found.checked);
    let said = "Make a step first: then it has a gradient.";
    if (found.before !== null) {
      const { gradient, checked } = found;
      if (gradient === null || checked === null) said = "One of the two is missing, or is no number.";
      else {
        const away = Math.abs(gradient - checked), size = Math.max(Math.abs(gradient), Math.abs(checked), 1e-7);
        said = away / size < 0.01 || away < 1e-6
          ? "The gradient is the loss's slope."
          : "The gradient is not the loss's slope: something is wrong on the way back.";
      }
    }
    $("weight-said").textContent = said;
  },
  surface(found) {
    state.surface = found;
    drawSurface();
  },
  program({ text }) {
    $("source").textContent = text;
    $("source").hidden = $("download").hidden = false;
    URL.revokeObjectURL($("download").href);
    $("download").href = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
    $("source").focus();
  },
  guessed({ right, near, title, why, mistake }) {
    state.quiz = false;
    $("quiz-panel").hidden = true;
    $("write").disabled = false;
    $("mistake").value = mistake;
    const said = right ? "Right" : near ? "Nearly: another of the same cause" : "No";
    $("planted").textContent = `${said}. It is: ${title}. ${why}`;
  },
  doctor(verdict) {
    state.verdict = verdict;
    state.shown = 0;
    $("ask").disabled = false;
    $("doctor-steps").replaceChildren();
    const found = verdict.found === null ? "" : verdict.found ? " It names the planted mistake." : " It does not name the planted mistake.";
    const about = state.asked === subject() ? "" : " with the program as it was before";
    $("doctor-state").textContent = `The doctor is done${about}, in ${verdict.steps.length} steps.${found}`;
    nextStep();
  },
};

// What a verdict is about: a reset does not change it.
const subject = () => JSON.stringify([state.begun.settings, state.begun.mistake, state.begun.quiz]);

function trouble(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

// Settings --------------------------------------------------------------------------------------------------------

function options(select, values, names = values) {
  select.replaceChildren(...values.map((value, i) => new Option(names[i], value)));
}

function fill(settings) {
  for (const [name, value] of Object.entries(settings)) {
    const control = form.elements[name];
    if (control) control.value = name === "share" ? Math.round(value * 100) : value;
  }
  if (JSON.stringify(hidden()) !== JSON.stringify(settings.hidden)) {
    $("layers").replaceChildren();
    settings.hidden.forEach((units) => addLayer(units));
  }
  offerOutputs(settings.outputs);
}

function hidden() {
  return [...$("layers").querySelectorAll("input")].map((input) => Number(input.value));
}

function addLayer(units) {
  const row = document.createElement("div"), label = document.createElement("span");
  const input = document.createElement("input"), remove = document.createElement("button");
  row.className = "layer";
  Object.assign(input, { type: "number", min: 1, max: state.choices.units, step: 1, value: units, required: true });
  Object.assign(remove, { type: "button", textContent: "Remove" });
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    numberLayers();
    (next ? next.querySelector("button") : $("add-layer")).focus();
    sendSettings();
  });
  row.append(label, input, remove);
  $("layers").append(row);
  numberLayers();
  return input;
}

function numberLayers() {
  const rows = [...$("layers").children];
  rows.forEach((row, i) => {
    row.querySelector("span").textContent = `Layer ${i + 1}`;
    row.querySelector("input").setAttribute("aria-label", `Units of hidden layer ${i + 1}`);
    row.querySelector("button").setAttribute("aria-label", `Remove hidden layer ${i + 1}`);
  });
  $("add-layer").disabled = rows.length >= state.choices.layers;
}

function offerOutputs(wanted) {
  const data = form.elements.data.value, plane = data === "plane";
  const counts = plane ? [1] : [1, ...state.choices.classes[data]];
  options(form.elements.outputs, counts.map(String), counts.map((n) => (plane ? "1: a value" : n === 1 ? "1: two classes" : `${n}: one a class`)));
  form.elements.outputs.value = counts.includes(Number(wanted)) ? wanted : counts[0];
  for (const option of form.elements.loss.options) option.disabled = plane && option.value === "cross-entropy";
  if (plane && form.elements.loss.value === "cross-entropy") form.elements.loss.value = "mse";
}

function sendSettings() {
  if (!form.checkValidity()) {
    const wrong = form.querySelector("input:invalid");
    trouble(`${wrong.closest("label")?.firstChild.textContent.trim() || wrong.getAttribute("aria-label")}: ${wrong.validationMessage}`);
    return;
  }
  const value = (name) => form.elements[name].value, number = (name) => Number(value(name));
  send({
    do: "settings",
    settings: {
      data: value("data"), noise: number("noise"), samples: number("samples"), share: number("share") / 100,
      seed: number("seed"), hidden: hidden(), outputs: number("outputs"), activation: value("activation"),
      loss: value("loss"), optimiser: value("optimiser"), rate: number("rate"), batch: number("batch"),
      regularisation: value("regularisation"), strength: number("strength"),
    },
  });
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  if (event.target.name === "data") offerOutputs(form.elements.outputs.value);
  sendSettings();
});
$("add-layer").addEventListener("click", () => {
  addLayer(4).focus();
  sendSettings();
});

// Training --------------------------------------------------------------------------------------------------------

function setPlaying(playing, tell = true) {
  state.playing = playing;
  $("play").firstChild.textContent = playing ? "Pause " : "Play ";
  if (tell) send({ do: playing ? "play" : "pause" });
  if (!playing) summarise();
  if (!playing && tell) send({ do: "surface" });
}

const clicks = {
  play: () => setPlaying(!state.playing),
  step() {
    setPlaying(false, false);
    send({ do: "step" });
  },
  reset: () => send({ do: "reset" }),
  quiz() {
    state.asked = null; // another mistake is planted, which `subject` does not know
    send({ do: "quiz" });
  },
  look: () => send({ do: "guess", mistake: $("guess").value }),
  ask() {
    state.asked = subject();
    $("doctor").hidden = false;
    $("ask").disabled = true;
    $("next-step").hidden = true;
    $("doctor-steps").replaceChildren();
    $("doctor-state").textContent = "The doctor runs the program and tries things out; that takes 10 to 60 seconds.";
    send({ do: "doctor" });
  },
  "next-step": () => nextStep(),
  write: () => send({ do: "program" }),
  "weight-look": () => look(),
};
for (const [id, click] of Object.entries(clicks)) $(id).addEventListener("click", click);
$("speed").addEventListener("change", () => send({ do: "speed", speed: Number($("speed").value) }));
$("mistake").addEventListener("change", () => send({ do: "plant", mistake: $("mistake").value || null }));
$("show-gradients").addEventListener("change", () => (state.fresh = true));
$("follow").addEventListener("change", () => $("follow").checked && send({ do: "surface" }));

function nextStep() {
  const { steps } = state.verdict, step = steps[state.shown++];
  const item = document.createElement("li"), title = document.createElement("strong");
  title.textContent = `${step.title}. `;
  item.append(title, step.text);
  if (step.code) {
    const code = document.createElement("code");
    code.textContent = step.code;
    item.append(code);
  }
  $("doctor-steps").append(item);
  if (step.curves) {
    const canvas = document.createElement("canvas"), names = Object.keys(step.curves);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", names.map((name) => `${name}: from ${step.curves[name][0]} to ${step.curves[name].at(-1)}`).join("; "));
    item.append(canvas);
    const legend = document.createElement("p");
    legend.className = "legend";
    names.forEach((name, i) => {
      const key = document.createElement("span");
      key.className = i ? "key train" : "key test";
      legend.append(key, ` ${name} `);
    });
    item.append(legend);
    drawTried();
  }
  $("next-step").hidden = state.shown >= steps.length;
}

function drawTried() {
  const steps = state.verdict ? state.verdict.steps.filter(({ curves }) => curves) : [];
  [...$("doctor-steps").querySelectorAll("canvas")].forEach((canvas, i) => {
    const tried = Object.values(steps[i].curves);
    curves(canvas, tried.map((values, j) => ({ values, colour: j ? theme.train : theme.test, dashed: !j })));
  });
}

const keys = {
  p: "play", s: "step", r: "reset", q: "quiz", d: "ask", n: "next-step", c: "write", w: "weight-look",
  g: "show-gradients", f: "follow",
};
document.addEventListener("keydown", (event) => {
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey && $("keys").checked;
  if (!plain || event.target.closest("input[type=number], select, textarea")) return;
  const control = $(keys[event.key.toLowerCase()]);
  if (control && !control.hidden && !control.disabled) {
    event.preventDefault();
    control.click();
  }
});

// One weight ------------------------------------------------------------------------------------------------------

function offerWeights() {
  const layers = state.begun.sizes.length - 1, before = $("weight-layer").value;
  const names = Array.from({ length: layers }, (_, i) => (i === layers - 1 ? "output" : `hidden ${i + 1}`));
  options($("weight-layer"), names.map((_, i) => String(i)), names);
  if (Number(before) < layers && before !== "") $("weight-layer").value = before;
  offerUnits();
}

function offerUnits() {
  const layer = Number($("weight-layer").value), [below, above] = state.begun.sizes.slice(layer, layer + 2);
  const range = (count) => Array.from({ length: count }, (_, i) => String(i));
  for (const [id, values, names] of [
    ["weight-unit", range(above), range(above).map((i) => String(Number(i) + 1))],
    ["weight-source", [...range(below), "-1"], [...range(below).map((i) => (layer ? `unit ${Number(i) + 1}` : `x${Number(i) + 1}`)), "bias"]],
  ]) {
    const before = $(id).value;
    options($(id), values, names);
    if (values.includes(before)) $(id).value = before;
  }
  choose();
}

function choose() {
  const [layer, unit, source] = ["layer", "unit", "source"].map((name) => Number($(`weight-${name}`).value));
  network.selected = { layer, unit, source };
  state.fresh = true;
}

function look() {
  choose();
  send({ do: "weight", ...network.selected });
}

$("weight-layer").addEventListener("change", () => {
  offerUnits();
  look();
});
for (const id of ["weight-unit", "weight-source"]) $(id).addEventListener("change", look);
$("network").addEventListener("click", (event) => {
  const near = state.begun && network.near(event.offsetX, event.offsetY);
  if (!near) return;
  $("weight-layer").value = near.layer;
  offerUnits();
  $("weight-unit").value = near.unit;
  $("weight-source").value = near.source;
  look();
});

// Drawing ---------------------------------------------------------------------------------------------------------

function number(value) {
  return value === null || value === undefined ? "no number" : Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(4);
}

function summarise() {
  if (!state.frame) return;
  const train = state.epochs[0].at(-1), test = state.epochs[1].at(-1);
  const said = `Epoch ${state.frame.epoch}: training loss ${number(train)}, test loss ${number(test)}.`;
  $("summary").textContent = said;
  $("output").setAttribute("aria-label", `What is predicted over the plane, with ${state.begun.points.length} points. ${said}`);
  $("curve").setAttribute("aria-label", `The loss by epoch, from ${number(state.epochs[0][0])} at first. ${said}`);
  $("network").setAttribute("aria-label", `A network ${state.begun.sizes.join("-")}, each unit with its picture; the weights are listed under One weight.`);
  state.said = performance.now();
}

function write(now) {
  const { zeros, odd, all } = state.counted || { zeros: 0, odd: 0, all: 0 };
  state.written = now;
  $("histogram-said").textContent = `${all} gradients by size, above 0 up and below 0 down; ${zeros} are 0${odd ? `, ${odd} are no numbers` : ""}.`;
  $("histogram").setAttribute("aria-label", `How many gradients are of which size: ${$("histogram-said").textContent}`);
  $("epoch").textContent = state.frame.epoch;
  $("steps").textContent = state.frame.step;
  $("train-loss").textContent = number(state.epochs[0].at(-1));
  $("test-loss").textContent = number(state.epochs[1].at(-1));
}

function drawSurface() {
  const said = state.surface && surface($("surface"), state.surface);
  if (!said) return;
  const text = `The loss is ${number(said.middle)} in the middle, where the weights are; from ${number(said.low)} (light) to ${number(said.high)} (dark) around it.`;
  $("surface-said").textContent = text;
  $("surface").setAttribute("aria-label", text);
}

function draw(now) {
  requestAnimationFrame(draw);
  state.frames++;
  if (state.playing) send({ do: "frame" }); // one for each that is painted, while the one before is still on its way
  if (state.frame && state.fresh) {
    const begun = performance.now();
    state.fresh = false;
    state.drawn++;
    state.all++;
    output.paint(state.frame);
    network.draw(state.frame, output, $("show-gradients").checked, state.drawn % 2 === 0 || !state.playing);
    output.draw();
    // What changes little from one frame to the next takes turns.
    if (state.drawn % 2 || !state.playing) {
      curves($("curve"), [
        { values: state.epochs[0], colour: theme.train },
        { values: state.epochs[1], colour: theme.test, dashed: true },
      ]);
    }
    if (state.drawn % 2 === 0 || !state.playing) {
      state.counted = histogram($("histogram"), state.frame.gradients);
    }
    if (now - state.written > 100 || !state.playing) write(now); // text has the page laid out anew
    if (now - state.said > 5000 || !state.playing) summarise();
    state.costs[state.drawn % state.costs.length] = performance.now() - begun;
  }
  if (now - state.since > 1000) {
    state.cost = state.costs.toSorted()[state.costs.length / 2]; // of drawing, in milliseconds
    state.fps = (state.frames * 1000) / (now - state.since);
    state.fresher = (state.drawn * 1000) / (now - state.since);
    $("fps").textContent = state.fps.toFixed(0);
    [state.frames, state.drawn, state.since] = [0, 0, now];
    if (state.playing && $("follow").checked) send({ do: "surface" });
  }
}

function redraw() {
  readTheme();
  if (state.begun) {
    network.begin(state.begun);
    output.begin(state.begun);
    state.fresh = true;
    drawSurface();
    drawTried();
  }
}

new ResizeObserver(redraw).observe(document.body);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

// Beginning -------------------------------------------------------------------------------------------------------

readTheme();
const choices = (state.choices = await (await fetch(`choices?token=${encodeURIComponent(token)}`)).json());
for (const name of ["data", "activation", "loss", "optimiser", "regularisation"]) options(form.elements[name], choices[name]);
for (const id of ["mistake", "guess"]) {
  $(id).append(...choices.mistakes.map(({ name, title }) => new Option(title, name)));
}
fill(choices.settings);
connect();
requestAnimationFrame(draw);
