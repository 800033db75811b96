// Small line charts of numbers over time: a few lines of SVG.
import { element, span, write } from "./shared.js";

const width = 300;
const height = 72;

function shape(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/// The smallest 1, 2 or 5 times a power of ten that is not below.
function roof(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value * 0.999) ?? value;
}

/// A chart with its title, the newest value, and the highest one. `format` writes a value;
/// `limits` are values with a dashed line each; `roof` is the top when that is given.
export class Chart {
  constructor(title, format, { note = "", limits = [], top = null } = {}) {
    this.title = title;
    this.format = format;
    this.limits = limits;
    this.top = top;
    this.value = element("span", { class: "value" });
    this.note = element("span", {}, note);
    this.peak = element("span");
    this.svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
    this.figure = element("figure", { class: "chart" },
      element("figcaption", {}, element("span", {}, title), this.value), this.svg,
      element("div", { class: "note" }, this.note, this.peak));
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.points = [];
  }

  /// points: [[time in ms, value or null]], in order of time.
  draw(points, from, until) {
    this.points = points;
    this.from = from;
    this.until = until;
    const known = points.filter(([, v]) => v !== null);
    const highest = Math.max(0, ...known.map(([, v]) => v));
    const drawn = this.limits.filter((limit) => limit <= Math.max(highest * 3, this.top ?? 0));
    this.scale = this.top ?? (roof(Math.max(highest, ...drawn) * 1.05) || 1);
    const parts = [];
    for (const run of this.runs(points)) {
      const line = run.map(([t, v]) => `${this.x(t).toFixed(1)},${this.y(v).toFixed(1)}`);
      const first = this.x(run[0][0]).toFixed(1);
      const last = this.x(run.at(-1)[0]).toFixed(1);
      parts.push(shape("path", { class: "area", d: `M${first},${height}L${line.join("L")}L${last},${height}Z` }));
      parts.push(shape("polyline", { class: "curve", points: line.join(" ") }));
    }
    for (const limit of drawn)
      parts.push(shape("line", { class: "limit", x1: 0, x2: width, y1: this.y(limit), y2: this.y(limit) }));
    parts.push(shape("line", { class: "base", x1: 0, x2: width, y1: height - 0.5, y2: height - 0.5 }));
    this.svg.replaceChildren(...parts);
    const newest = points.length > 0 ? points.at(-1)[1] : null;
    const now = known.length === 0 ? "unknown" : newest === null ? "unknown" : this.format(newest);
    write(this.peak, known.length > 0 ? `most ${this.format(highest)}` : "");
    this.svg.setAttribute("aria-label", known.length === 0 ? `${this.title}: nothing known yet`
      : `${this.title}: now ${now}, most ${this.format(highest)} in ${span(until - from)}`);
    if (!this.pointed) write(this.value, now);
  }

  /// Parts between what is not known.
  runs(points) {
    const all = [];
    let run = [];
    for (const point of points) {
      if (point[1] === null) {
        if (run.length > 0) all.push(run);
        run = [];
      } else {
        run.push(point);
      }
    }
    if (run.length > 0) all.push(run);
    return all;
  }

  x(time) { return ((time - this.from) / (this.until - this.from)) * width; }
  y(value) { return height - 1 - (Math.min(value, this.scale) / this.scale) * (height - 5); }

  /// Shows the value below the pointer.
  point(event) {
    this.svg.querySelector(".cross")?.remove();
    this.pointed = event !== null && this.points.length > 0;
    if (!this.pointed) {
      const newest = this.points.at(-1)?.[1] ?? null;
      write(this.value, newest === null ? "unknown" : this.format(newest));
      return;
    }
    const box = this.svg.getBoundingClientRect();
    const time = this.from + ((event.clientX - box.left) / box.width) * (this.until - this.from);
    const nearest = this.points.reduce((a, b) => (Math.abs(b[0] - time) < Math.abs(a[0] - time) ? b : a));
    const at = this.x(nearest[0]);
    this.svg.append(shape("line", { class: "cross", x1: at, x2: at, y1: 0, y2: height }));
    const value = nearest[1] === null ? "unknown" : this.format(nearest[1]);
    write(this.value, `${value} at ${new Date(nearest[0]).toLocaleTimeString()}`);
  }
}
