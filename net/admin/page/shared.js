// What all views need: asking the node, numbers for people, elements.

/// An answer that is no success is an error with the node's own words.
export async function ask(path) {
  let answer;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(10000) });
  } catch {
    throw new Error("the node does not answer");
  }
  if (!answer.ok) {
    const problem = new Error((await answer.text()).trim() || `status ${answer.status}`);
    problem.status = answer.status;
    throw problem;
  }
  return answer;
}

export const json = async (path) => (await ask(path)).json();

export const by = (id) => document.getElementById(id);

/// element("td", {class: "name"}, "text", child)
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/// Only where it changes: a screen reader says again what is written again.
export function write(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/// columns: [{title, number, cell: row => text or element}]
export function fillTable(table, columns, rows) {
  const head = element("thead", {}, element("tr", {}, ...columns.map((c) =>
    element("th", { scope: "col", class: c.number ? "number" : "" }, c.title))));
  const body = element("tbody", {}, ...rows.map((row) =>
    element("tr", {}, ...columns.map((c) => {
      const shown = c.cell(row);
      return element("td", { class: c.number ? "number" : "name" },
        shown instanceof Node ? shown : String(shown));
    }))));
  // What stays the same stays where it is: a link keeps its focus, and a click finds it.
  const same = table.tHead?.innerHTML === head.innerHTML && table.tBodies[0].rows.length === body.rows.length;
  if (!same) {
    table.replaceChildren(head, body);
    return;
  }
  [...body.rows].forEach((row, r) => [...row.cells].forEach((cell, c) => {
    const old = table.tBodies[0].rows[r].cells[c];
    if (old.innerHTML !== cell.innerHTML) old.replaceWith(cell);
  }));
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => (n === null || n === undefined ? "unknown" : plain.format(n));

export function short(n) {
  if (n === null || n === undefined) return "unknown";
  for (const [unit, name] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (Math.abs(n) >= unit) return `${(n / (unit === 1e4 ? 1e3 : unit)).toFixed(1)} ${name}`;
  return Math.abs(n) < 10 && n % 1 !== 0 ? n.toFixed(1) : plain.format(n);
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "unknown";
  let unit = 0;
  while (Math.abs(bytes) >= 1024 && unit < 4) {
    bytes /= 1024;
    ++unit;
  }
  return `${unit > 0 && bytes < 100 ? bytes.toFixed(1) : plain.format(bytes)} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

export function span(ms) {
  if (ms === null || ms === undefined) return "unknown";
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  const units = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
  const first = units.findIndex(([unit]) => ms >= unit);
  const [unit, name] = units[first];
  const whole = Math.floor(ms / unit);
  const next = units[first + 1];
  const rest = next ? Math.floor((ms - whole * unit) / next[0]) : 0;
  return `${whole} ${name}${rest > 0 ? ` ${rest} ${next[1]}` : ""}`;
}

export const ago = (ms) => (ms === null || ms < 0 ? "—" : `${span(Math.max(0, Date.now() - ms))} ago`);
export const moment = (ms) => new Date(ms).toLocaleString();
export const link = (to, text) => element("a", { href: to }, text);
