// Is it well, and the charts of the last hour.
import { Chart } from "./charts.js";
import * as history from "./history.js";
import { by, count, element, fillTable, json, short, size, span, write } from "./shared.js";

const perSecond = (n) => `${short(n)} /s`;
let capacity = null;
let uptime = 0;

const charts = [
  [new Chart("Messages in", perSecond), (l) => history.rate(l, "entries")],
  [new Chart("Messages out", perSecond, { note: "as groups store their progress" }),
    (l) => history.rate(l, "consumed", true)],
  [new Chart("Bytes in", (n) => `${size(n)}/s`), (l) => history.rate(l, "logBytes")],
  [new Chart("Wait for room", span, { note: "of each request held back" }),
    (l) => history.each(l, "delayedMs", "delayedRequests")],
  [new Chart("Answer time", span, { note: "of the node's parts together" }),
    (l) => history.level(l, "answerUs").map(([t, v]) => [t, v === null ? null : v / 1000])],
  [new Chart("Flushes", perSecond), (l) => history.rate(l, "flushes")],
  [new Chart("Disk used", (n) => `${Math.round(n)} %`, { top: 100 }), (l) => history.level(l, "diskPercent")],
  [new Chart("Memory", size, { note: "of the process, without files" }), (l) => history.level(l, "memory")],
];
const disk = charts.find(([c]) => c.title === "Disk used")[0];

const backlog = new Chart("Dispatcher", (n) => `${count(n)} positions`, { note: "in flight to the queues" });
const parts = [
  [new Chart("Writer", (n) => `${count(n)} requests`, { note: "waiting for room" }), (l) => history.level(l, "parked")],
  [new Chart("Flusher", size, { note: "not flushed yet" }), (l) => history.level(l, "notFlushed")],
  [backlog, (l) => history.level(l, "inFlight")],
  [new Chart("Queue-manager", size, { note: "of the log not in the queues" }), (l) => history.level(l, "notApplied")],
  [new Chart("Queue-flusher", size, { note: "of the queues not on the disk" }), (l) => history.level(l, "notDurable")],
];
by("charts").append(...charts.map(([chart]) => chart.figure));
by("parts").append(...parts.map(([chart]) => chart.figure));

function draw() {
  const length = Number(document.querySelector("input[name=span]:checked").value);
  const { from, until, all } = history.looks(length);
  disk.limits = history.diskPercent;
  const [expired, forced, refused] = history.diskPercent;
  write(disk.note, history.diskPercent.length === 3
    ? `deletes at ${expired} and ${forced}, refuses at ${refused} %` : "");
  backlog.limits = capacity === null ? [] : [capacity];
  write(backlog.note, capacity === null ? "in flight to the queues" : `of at most ${count(capacity)} in flight`);
  for (const [chart, points] of [...charts, ...parts]) chart.draw(points(all), from, until);
}
document.querySelectorAll("input[name=span]").forEach((one) => one.addEventListener("change", draw));

function show(state, verdict, advice) {
  by("health").className = state;
  write(by("verdict"), verdict);
  const list = by("advice");
  const said = advice.join("\n");
  if (list.dataset.said === said) return;
  list.dataset.said = said;
  list.replaceChildren(...advice.map((text) => element("li", {}, text)));
}

/// Lines of /readyz?verbose: {part, problem}. It is no success where there are some.
async function reasons() {
  const answer = await fetch("/readyz?verbose", { signal: AbortSignal.timeout(10000) });
  const text = await answer.text();
  return [...text.matchAll(/^\[([+-])\] ([^:]+): (.*)$/gm)]
    .map(([, sign, part, problem]) => ({ part, problem: sign === "+" ? "" : problem }));
}

function showRecovery(checks) {
  const node = checks.find((check) => check.problem.startsWith("recovering"));
  by("recovery").hidden = !node;
  if (!node) return;
  const percent = /(\d+) %/.exec(node.problem);
  write(by("recovery-text"), `The store is read after a stop that was not in order: ${node.problem}`);
  if (percent) by("recovered").value = Number(percent[1]);
  else by("recovered").removeAttribute("value");
}

const remedies = [
  [/recover|opening|starting/i, "Wait: it goes on by itself."],
  [/stopping/i, "It was told to stop. Start it again when you want it back."],
  [/waits for|not reachable/i, "See that the other nodes of the store run, and that the network between them works."],
  [/disk|space|full/i, "Free space on the store's disk, or shorten how long messages are kept (troupe store df says what takes it)."],
  [/not answer/i, "It may wait for its disk. If that stays so, look at the disk and at the node's log."],
  [/damaged|corrupt|unreadable|repair/i, "Stop the node and let troupe store verify look at the files."],
];
export const remedy = (problem) =>
  remedies.find(([sign]) => sign.test(problem))?.[1] ?? "Look at the node's log and run troupe doctor; then start the node again.";

/// What is wrong, worst first, and what is only close to it.
export function judge(status, percent) {
  const bad = [];
  const warn = [];
  if (status.waitsFor) bad.push(`It waits for ${status.waitsFor}.`, remedy("waits for"));
  if (status.writable === false) bad.push(`${remedy(status.reason)}`);
  for (const role of status.roles)
    if (role.state !== "running")
      bad.push(`The ${role.role}${role.node ? ` (node ${role.node})` : ""} is ${role.state} for ${span(role.sinceMs)}. ${remedy(role.state)}`);
  for (const one of status.links)
    if (one.state !== "up")
      warn.push(`The link to node ${one.node} is ${one.state}${one.reason ? `: ${one.reason}` : ""}. ${remedy("not reachable")}`);
  const used = status.diskUsedPercent;
  if (used !== null && percent.length === 3 && used >= percent[0])
    warn.push(used >= percent[2] ? `The disk is ${used} % full: writes are refused. ${remedy("disk")}`
      : used >= percent[1] ? `The disk is ${used} % full: the oldest messages are deleted though not expired. ${remedy("disk")}`
        : `The disk is ${used} % full: expired messages are deleted at any hour. ${remedy("disk")}`);
  const limit = capacityOf(status);
  if (limit !== null && status.backlog !== null && status.backlog > 0.8 * limit)
    warn.push(`The queues are ${count(status.backlog)} messages behind, of at most ${count(limit)}: producers have to wait. The disk is too slow for this load.`);
  if (status.damagedMessages > 0)
    warn.push(`${count(status.damagedMessages)} messages cannot be read any more. ${remedy("damaged")}`);
  return { bad, warn };
}

function capacityOf(status) {
  const edge = status.edges.find((e) => e.unit === "positions" && e.capacity !== null);
  return edge ? edge.capacity : null;
}

function showStatus(status) {
  write(by("title"), `${status.node} of ${status.cluster}`);
  write(by("durability"), status.durability);
  document.title = `${status.node} · Troupe`;
  write(by("facts"), `${status.directory} · up ${span(status.uptime)}`);
  if (status.uptime < uptime) history.forget();
  uptime = status.uptime;
  capacity = capacityOf(status);
  const { bad, warn } = judge(status, history.diskPercent);
  if (status.writable === false) show("bad", `Takes no messages: ${status.reason}`, [...bad, ...warn]);
  else if (status.writable === null) show("bad", `Nobody knows whether it takes messages: ${status.reason}`, [remedy("not answer"), ...bad, ...warn]);
  else if (bad.length > 0) show("bad", "Takes messages, but a part of it does not work", [...bad, ...warn]);
  else if (warn.length > 0) show("warn", "Takes messages, and wants attention", warn);
  else show("well", "All is well: it takes messages", []);
  fillTable(by("roles"), [
    { title: "Part", cell: (r) => r.role },
    { title: "State", cell: (r) => (r.state === "running" ? "✓ running" : element("span", { class: "bad-text" }, r.state)) },
    { title: "For", number: true, cell: (r) => span(r.sinceMs) },
    { title: "Restarts", number: true, cell: (r) => count(r.restarts) },
    { title: "Node", cell: (r) => r.node },
  ], status.roles);
}

/// Where there is no status there are reasons, or not even those.
async function showReasons(problem) {
  try {
    const checks = await reasons();
    showRecovery(checks);
    const wrong = checks.filter((check) => check.problem);
    if (wrong.length > 0)
      return show(wrong.every((c) => /recover|opening|starting/.test(c.problem)) ? "warn" : "bad",
        `Not ready: ${wrong[0].problem}`, [remedy(wrong[0].problem), ...wrong.slice(1).map((c) => `${c.part}: ${c.problem}`)]);
  } catch {
    // said below
  }
  show("bad", "The node does not answer", [
    `${problem.message}.`,
    "See whether its process still runs, and what its log says last; then start it again.",
  ]);
}

export async function refresh() {
  try {
    const [status] = await Promise.all([json("/v1/status"), history.refresh()]);
    showStatus(status);
    if (status.writable === true) by("recovery").hidden = true;
    else showRecovery(await reasons());
    if (!by("view-overview").hidden) draw();
  } catch (problem) {
    await showReasons(problem);
  }
}
