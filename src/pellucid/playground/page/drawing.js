// Canvases. Everything here draws from typed arrays; nothing here knows of the server.

const MANY = 2000; // weights
const LEAST = 0.02; // of the largest weight: lines of smaller ones are not drawn

function rgb(colour) {
  return [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
}

function ramp(stops) {
  // 256 colours as pixels, little endian
  const pixels = new Uint32Array(256);
  const known = stops.map(rgb);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (known.length - 1);
    const low = Math.min(Math.floor(place), known.length - 2);
    const part = place - low;
    const [r, g, b] = known[low].map((value, j) => Math.round(value + part * (known[low + 1][j] - value)));
    pixels[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return pixels;
}

export const theme = {};

export function readTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "faint", "line", "panel", "train", "test", "focus"]) {
    theme[name] = style.getPropertyValue(`--${name}`).trim();
  }
  const middle = dark ? "#20262e" : "#f4f4f4";
  theme.negative = dark ? "#e69f00" : "#c66a00";
  theme.positive = dark ? "#56b4e9" : "#0072b2";
  theme.lines = mixtures(theme.panel, theme.positive, theme.negative);
  theme.signed = ramp([theme.negative, middle, theme.positive]);
  theme.classes = dark ? ["#b87e00", "#2f86b8", "#2e8f72"] : ["#f3c66b", "#7fc1ea", "#7fd0b4"];
  theme.points = ["#8a4b00", "#00446b", "#00593f"].map((colour, i) => (dark ? ["#ffc457", "#8fd3ff", "#7fe3c3"][i] : colour));
  theme.two = ramp([theme.classes[0], dark ? "#20262e" : "#ffffff", theme.classes[1]]);
  theme.height = ramp(["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"].reverse());
}

export function sized(canvas) {
  // The context of a canvas, in CSS pixels, as large as it is shown.
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const width = Math.max(1, canvas.clientWidth), height = Math.max(1, canvas.clientHeight);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

function picture(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  return { canvas, context, data, pixels: new Uint32Array(data.data.buffer) };
}

function line(shares, width, height, x0, y0, x1, y1, thickness, amount) {
  // A line from left to right, column by column: to each pixel is added its amount, or the part that is covered.
  const slope = (y1 - y0) / (x1 - x0), half = (thickness * Math.sqrt(1 + slope * slope)) / 2, last = height - 1;
  let x = Math.max(0, Math.ceil(x0)), top = y0 + slope * (x - x0) - half, i = 0;
  for (const end = Math.min(width - 1, Math.floor(x1)); x <= end; x++, top += slope) {
    const bottom = top + 2 * half;
    let row = top > 0 ? top | 0 : 0;
    const stop = bottom < last ? bottom | 0 : last;
    i = row * width + x;
    if (stop === row) {
      shares[i] += ((bottom - top) * 64 | 0) * amount;
      continue;
    }
    shares[i] += ((row + 1 - top) * 64 | 0) * amount;
    for (row++, i += width; row < stop; row++, i += width) shares[i] += 64 * amount;
    shares[i] += ((bottom - row) * 64 | 0) * amount;
  }
}

function mixtures(ground, above, below) {
  // The colour for each amount of positive and of negative lines in a pixel, 64 by 64 of them; 64 is one strong line.
  const colours = new Uint32Array(4096), [g, a, b] = [ground, above, below].map(rgb);
  for (let up = 0; up < 64; up++) {
    for (let down = 0; down < 64; down++) {
      const all = up + down || 1, cover = 1 - Math.exp(-all / 20);
      const [red, green, blue] = g.map((value, j) => Math.round(value + cover * ((up * a[j] + down * b[j]) / all - value)));
      colours[(down << 6) | up] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    }
  }
  colours[0] = (255 << 24) | (g[2] << 16) | (g[1] << 8) | g[0];
  return colours;
}

// The network -----------------------------------------------------------------------------------------------------

export class Network {
  constructor(canvas) {
    this.canvas = canvas;
    this.selected = null;
  }

  begin(begun) {
    this.sizes = begun.sizes;
    this.unit = begun.unit;
    const hidden = this.sizes.slice(1, -1).reduce((a, b) => a + b, 0);
    this.atlas = picture(this.unit, Math.max(1, this.unit * hidden));
    this.inputs = [0, 1].map((axis) => {
      const made = picture(this.unit, this.unit);
      for (let i = 0; i < made.pixels.length; i++) {
        const across = (i % this.unit) / (this.unit - 1), down = Math.floor(i / this.unit) / (this.unit - 1);
        made.pixels[i] = theme.signed[Math.round(255 * (axis ? 1 - down : across))];
      }
      made.context.putImageData(made.data, 0, 0);
      return made.canvas;
    });
    const most = Math.max(...this.sizes);
    this.canvas.style.height = `${Math.min(760, Math.max(300, most * 20))}px`;
    this.place();
  }

  place() {
    const { width, height } = sized(this.canvas);
    const most = Math.max(...this.sizes);
    this.size = Math.max(8, Math.min(44, (height - 24) / most - 3, width / this.sizes.length / 1.8));
    const across = (width - this.size - 16) / (this.sizes.length - 1);
    this.x = this.sizes.map((_, layer) => 8 + layer * across);
    this.y = this.sizes.map((count) => {
      const gap = Math.min((height - 8) / count, this.size * 2);
      return Float32Array.from({ length: count }, (_, i) => height / 2 + (i - (count - 1) / 2) * gap);
    });
  }

  draw(frame, output, gradients, anew) {
    // Thousands of lines are drawn anew only in each second frame: `anew` says in which.
    const { context, width, height } = sized(this.canvas);
    this.edges(context, gradients ? frame.gradients : frame.weights, width, height, anew);
    const pixels = this.atlas.pixels, units = frame.units;
    for (let i = 0; i < units.length; i++) pixels[i] = theme.signed[units[i]];
    this.atlas.context.putImageData(this.atlas.data, 0, 0);
    context.strokeStyle = theme.faint;
    context.lineWidth = 1;
    context.beginPath();
    let at = 0;
    for (let layer = 0; layer < this.sizes.length; layer++) {
      const last = layer === this.sizes.length - 1;
      for (let i = 0; i < this.sizes[layer]; i++) {
        const x = this.x[layer], y = this.y[layer][i] - this.size / 2;
        if (layer === 0) context.drawImage(this.inputs[i], x, y, this.size, this.size);
        else if (last) output.unit(context, i, x, y, this.size);
        else context.drawImage(this.atlas.canvas, 0, this.unit * at++, this.unit, this.unit, x, y, this.size, this.size);
        context.rect(x, y, this.size, this.size);
      }
    }
    context.stroke();
  }

  edges(context, values, width, height, anew) {
    // Lines as sums in a typed array: a thousand paths would take the canvas longer than a frame. The lower half of each
    // sum is of positive lines, the upper half of negative ones.
    const across = Math.round(width), down = Math.round(height);
    if (!this.lines || this.lines.canvas.width !== across || this.lines.canvas.height !== down) {
      this.lines = picture(across, down);
      this.shares = new Uint32Array(across * down);
      anew = true;
    }
    if (anew || values.length < MANY) this.mix(values, across, down);
    if (this.canvas.width === across && this.canvas.height === down) context.putImageData(this.lines.data, 0, 0);
    else {
      this.lines.context.putImageData(this.lines.data, 0, 0);
      context.drawImage(this.lines.canvas, 0, 0, width, height);
    }
    if (this.selected && this.selected.source >= 0 && this.selected.layer + 1 < this.sizes.length) {
      const { layer, unit, source } = this.selected;
      context.strokeStyle = theme.ink;
      context.lineWidth = 2.5;
      context.setLineDash([5, 4]);
      context.beginPath();
      context.moveTo(this.x[layer] + this.size, this.y[layer][source]);
      context.lineTo(this.x[layer + 1], this.y[layer + 1][unit]);
      context.stroke();
      context.setLineDash([]);
    }
  }

  mix(values, across, down) {
    const shares = this.shares.fill(0), pixels = this.lines.pixels, colours = theme.lines;
    let most = 0, at = 0;
    for (let layer = 1; layer < this.sizes.length; layer++) {
      const count = this.sizes[layer] * this.sizes[layer - 1];
      for (let i = at; i < at + count; i++) {
        const size = Math.abs(values[i]);
        if (size > most && size < Infinity) most = size;
      }
      at += count + this.sizes[layer];
    }
    for (let layer = 1, k = 0; layer < this.sizes.length; layer++) {
      const below = this.sizes[layer - 1], x0 = this.x[layer - 1] + this.size, x1 = this.x[layer];
      const from = this.y[layer - 1], to = this.y[layer];
      for (let i = 0; i < this.sizes[layer]; i++) {
        for (let j = 0; j < below; j++, k++) {
          const share = Math.min(1, Math.abs(values[k]) / most); // also of an infinite one
          if (!(share > LEAST)) continue;
          const amount = Math.round(1 + 15 * share);
          line(shares, across, down, x0, from[j], x1, to[i], 0.7 + 3 * share, values[k] > 0 ? amount : amount * 65536);
        }
      }
      k += this.sizes[layer];
    }
    for (let i = 0; i < shares.length; i++) {
      const sum = shares[i], up = (sum & 65535) >> 4, below = sum >>> 20;
      pixels[i] = colours[((below < 63 ? below : 63) << 6) | (up < 63 ? up : 63)];
    }
  }

  near(x, y) {
    // The weight whose line is nearest to a place, if one is near.
    let best = null, least = 8;
    for (let layer = 0; layer + 1 < this.sizes.length; layer++) {
      const x0 = this.x[layer] + this.size, x1 = this.x[layer + 1];
      if (x < x0 || x > x1) continue;
      const part = (x - x0) / (x1 - x0);
      for (let source = 0; source < this.sizes[layer]; source++) {
        for (let unit = 0; unit < this.sizes[layer + 1]; unit++) {
          const a = this.y[layer][source], b = this.y[layer + 1][unit];
          const away = Math.abs(a + part * (b - a) - y) / Math.hypot(1, (b - a) / (x1 - x0));
          if (away < least) [best, least] = [{ layer, unit, source }, away];
        }
      }
    }
    return best;
  }
}

// The output ------------------------------------------------------------------------------------------------------

export class Output {
  constructor(canvas) {
    this.canvas = canvas;
  }

  begin(begun) {
    this.begun = begun;
    this.image = picture(begun.boundary, begun.boundary);
    const outputs = begun.sizes.at(-1), { boundary } = begun;
    this.each = outputs > 1 ? picture(boundary, boundary * outputs) : null; // each class by itself, one below the other
    this.ramps = theme.classes.map((colour) => ramp([theme.panel, colour]));
    this.points = null;
    this.blend = theme.classes.map(rgb);
  }

  paint(frame) {
    const { pixels } = this.image, values = frame.output, outputs = this.begun.sizes.at(-1);
    if (outputs === 1) {
      const colours = this.begun.regression ? theme.signed : theme.two;
      for (let i = 0; i < pixels.length; i++) pixels[i] = colours[values[i]];
    } else {
      for (let i = 0; i < pixels.length; i++) {
        let r = 0, g = 0, b = 0, all = 0;
        for (let k = 0; k < outputs; k++) {
          const share = values[i * outputs + k], colour = this.blend[k];
          this.each.pixels[k * pixels.length + i] = this.ramps[k][share];
          all += share;
          r += share * colour[0];
          g += share * colour[1];
          b += share * colour[2];
        }
        all = all || 1;
        pixels[i] = (255 << 24) | ((b / all) << 16) | ((g / all) << 8) | (r / all);
      }
    }
    this.image.context.putImageData(this.image.data, 0, 0);
    if (this.each) this.each.context.putImageData(this.each.data, 0, 0);
  }

  unit(context, k, x, y, size) {
    // The picture of an output unit: the probability of its class.
    const { boundary } = this.begun;
    if (this.each) context.drawImage(this.each.canvas, 0, k * boundary, boundary, boundary, x, y, size, size);
    else context.drawImage(this.image.canvas, x, y, size, size);
  }

  draw() {
    const { context, width } = sized(this.canvas);
    context.imageSmoothingEnabled = true;
    context.drawImage(this.image.canvas, 0, 0, width, width);
    if (!this.points || this.points.width !== this.canvas.width) this.points = this.dots(width);
    context.drawImage(this.points, 0, 0, width, width);
  }

  dots(width) {
    // The data, drawn once: circles are for training, squares for the test.
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = this.canvas.width;
    const context = canvas.getContext("2d"), { points, labels, training, low, side, regression } = this.begun;
    const scale = canvas.width / side, ratio = canvas.width / width, size = (points.length > 600 ? 2 : 3) * ratio;
    context.lineWidth = ratio;
    points.forEach(([px, py], i) => {
      const x = (px - low[0]) * scale, y = canvas.width - (py - low[1]) * scale;
      context.beginPath();
      if (training[i]) context.arc(x, y, size, 0, 7);
      else context.rect(x - size, y - size, 2 * size, 2 * size);
      const value = regression ? theme.signed[Math.max(0, Math.min(255, Math.round(127.5 * (labels[i] + 1))))] : 0;
      context.fillStyle = regression
        ? `rgb(${value & 255} ${(value >> 8) & 255} ${(value >> 16) & 255})`
        : theme.points[labels[i]] || theme.ink;
      context.fill();
      context.strokeStyle = theme.paper;
      context.stroke();
    });
    return canvas;
  }
}

// Curves ----------------------------------------------------------------------------------------------------------

function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1e4 || size < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(2)));
}

export function curves(canvas, lines, from = 0) {
  // Lines of numbers, null where there is none: [{values, colour, dashed}].
  const { context, width, height } = sized(canvas);
  context.clearRect(0, 0, width, height);
  const known = lines.flatMap(({ values }) => {
    const every = Math.max(1, Math.floor(values.length / 500));
    return values.filter((value, i) => i % every === 0 && value !== null);
  });
  if (!known.length) return;
  let low = Math.min(...known), high = Math.max(...known);
  const log = low > 0 && high / low > 20;
  const of = (value) => (log ? Math.log10(value) : value);
  if (!log) low = Math.min(low, 0);
  let a = of(low), b = of(high);
  if (a === b) [a, b] = [a - 1, b + 1];
  const left = 44, bottom = height - 18, top = 8, right = width - 6;
  const y = (value) => bottom - ((of(value) - a) / (b - a)) * (bottom - top);
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = theme.faint;
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  for (const part of [0, 0.5, 1]) {
    const at = a + part * (b - a), value = log ? 10 ** at : at, py = y(value);
    context.beginPath();
    context.moveTo(left, py);
    context.lineTo(right, py);
    context.stroke();
    context.textAlign = "right";
    context.fillText(short(value), left - 5, Math.min(bottom, Math.max(py + 4, 11)));
  }
  const count = Math.max(...lines.map(({ values }) => values.length));
  context.fillText(String(from + count - 1), right, height - 4);
  context.textAlign = "left";
  context.fillText(String(from), left, height - 4);
  for (const { values, colour, dashed } of lines) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(dashed ? [6, 4] : []);
    context.beginPath();
    const every = Math.max(1, Math.floor(values.length / (right - left)));
    let open = false;
    for (let i = 0; i < values.length; i += every) {
      if (values[i] === null) {
        open = false;
        continue;
      }
      const x = left + (count > 1 ? (i / (count - 1)) * (right - left) : 0);
      if (open) context.lineTo(x, y(values[i]));
      else context.moveTo(x, y(values[i]));
      open = true;
    }
    context.stroke();
  }
  context.setLineDash([]);
}

const BINS = 30, LOWEST = -8, HIGHEST = 2; // powers of ten

export function histogram(canvas, gradients) {
  // Sizes of gradients by powers of ten: positive ones up, negative ones down. What is said of them in words.
  const { context, width, height } = sized(canvas);
  context.clearRect(0, 0, width, height);
  const up = new Uint32Array(BINS), down = new Uint32Array(BINS);
  let zeros = 0, odd = 0;
  for (let i = 0; i < gradients.length; i++) {
    const value = gradients[i];
    if (value === 0) zeros++;
    else if (!Number.isFinite(value)) odd++;
    else {
      const place = ((Math.log10(Math.abs(value)) - LOWEST) / (HIGHEST - LOWEST)) * BINS;
      (value > 0 ? up : down)[Math.max(0, Math.min(BINS - 1, Math.floor(place)))]++;
    }
  }
  const most = Math.max(1, ...up, ...down), middle = (height - 16) / 2, step = (width - 12) / BINS;
  for (let i = 0; i < BINS; i++) {
    context.fillStyle = theme.positive;
    context.fillRect(6 + i * step, middle - (up[i] / most) * (middle - 4), step - 1, (up[i] / most) * (middle - 4));
    context.fillStyle = theme.negative;
    context.fillRect(6 + i * step, middle, step - 1, (down[i] / most) * (middle - 4));
  }
  context.strokeStyle = theme.faint;
  context.beginPath();
  context.moveTo(6, middle);
  context.lineTo(width - 6, middle);
  context.stroke();
  context.fillStyle = theme.faint;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  for (let power = LOWEST; power <= HIGHEST; power += 2) {
    const x = 6 + ((power - LOWEST) / (HIGHEST - LOWEST)) * (width - 12);
    context.fillText(`1e${power}`, Math.max(16, Math.min(width - 16, x)), height - 3);
  }
  return { zeros, odd, all: gradients.length };
}

export function surface(canvas, found) {
  const { context, width } = sized(canvas);
  const { points, losses } = found;
  const known = losses.flat().filter((loss) => loss !== null);
  context.clearRect(0, 0, width, width);
  if (!known.length) return null;
  const low = Math.min(...known), high = Math.max(...known);
  const log = low > 0 && high / low > 20;
  const of = (loss) => (log ? Math.log(loss / low) / Math.log(high / low) : (loss - low) / (high - low || 1));
  const made = picture(points, points);
  for (let i = 0; i < points; i++) {
    for (let j = 0; j < points; j++) {
      const loss = losses[j][points - 1 - i];
      made.pixels[i * points + j] = loss === null ? 0 : theme.height[Math.round(255 * of(loss))];
    }
  }
  made.context.putImageData(made.data, 0, 0);
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(made.canvas, 0, 0, width, width);
  context.strokeStyle = "#fff";
  context.fillStyle = "#d55e00";
  context.lineWidth = 2;
  context.beginPath();
  context.arc(width / 2, width / 2, 6, 0, 7);
  context.fill();
  context.stroke();
  return { low, high, middle: losses[(points - 1) / 2][(points - 1) / 2] };
}
