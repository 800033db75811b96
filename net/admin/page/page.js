// Which view is shown (the address says it), and asking again while somebody looks.
import * as lists from "./lists.js";
import * as messages from "./messages.js";
import * as overview from "./overview.js";
import { by, write } from "./shared.js";

const views = ["overview", "topics", "groups", "clients", "messages"];
const everyMs = 2000;
let view = "overview";
let name = "";
let turn = 0; // the last one counts

function read() {
  const [path, query] = location.hash.slice(1).split(/\?(.*)/s);
  const [first, ...rest] = path.split("/");
  view = views.includes(first) ? first : "overview";
  try {
    name = decodeURIComponent(rest.join("/"));
  } catch {
    name = "";
  }
  return query ?? "";
}

async function refreshView() {
  const shown = view;
  const mine = ++turn;
  const still = () => mine === turn && shown === view;
  if (!(shown in lists)) return;
  try {
    await lists[shown](name, still);
  } catch (problem) {
    if (!still()) return;
    write(by(`${shown}-note`), problem.message);
    by(`${shown}-table`).replaceChildren();
  }
}

async function show() {
  const query = read();
  ++turn;
  for (const one of views) by(`view-${one}`).hidden = one !== view;
  for (const link of document.querySelectorAll("nav a"))
    if (link.getAttribute("href") === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  if (view === "messages") await messages.open(query);
  else if (view !== "overview") await refreshView();
  else await overview.refresh();
}

/// One after the other, so that a slow node is not asked ever more.
async function pulse() {
  if (!document.hidden) {
    await overview.refresh();
    await refreshView();
  }
  setTimeout(pulse, everyMs);
}

window.addEventListener("hashchange", show);
for (const id of ["topic-filter", "group-filter"]) by(id).addEventListener("input", refreshView);
show().then(pulse);
