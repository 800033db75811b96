// Looks at messages: by queue and offset, by time, by key, by id.
import { by, count, element, json, moment, size, write } from "./shared.js";

const page = 32;
const form = by("search");
let found = [];
let searches = 0; // the last one counts
let where = null; // of a queue: {topic, queue, from, next, min, max}

function showFields() {
  for (const label of form.querySelectorAll("label[data-for]")) {
    const wanted = label.dataset.for.split(" ").includes(form.by.value);
    label.hidden = !wanted;
    label.querySelector("input").required = wanted;
  }
}

function bytesOf(message) {
  return Uint8Array.from(atob(message.body), (c) => c.charCodeAt(0));
}

/// As a producer wrote it: RocketMQ's clients compress long bodies (bit 0 of the flags; which way,
/// in bits 8 to 10, of which browsers know zlib).
async function opened(message) {
  const bytes = bytesOf(message);
  const way = (message.sysFlag >> 8) & 7;
  if ((message.sysFlag & 1) === 0 || message.bodyCut || (way !== 0 && way !== 3)) return bytes;
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = stream.getReader();
    const most = 1 << 20;
    const pieces = [];
    let length = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      pieces.push(value);
      length += value.length;
      if (length > most) {
        await reader.cancel();
        break;
      }
    }
    return new Uint8Array(await new Blob(pieces).arrayBuffer()).slice(0, most);
  } catch {
    return bytes; // it only says that it is compressed
  }
}

function hex(bytes) {
  const lines = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const row = bytes.slice(i, i + 16);
    const digits = [...row].map((b) => b.toString(16).padStart(2, "0")).join(" ");
    const signs = [...row].map((b) => (b >= 32 && b < 127 ? String.fromCharCode(b) : ".")).join("");
    lines.push(`${i.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${signs}`);
  }
  return lines.join("\n");
}

function body(bytes, as) {
  if (as === "hex") return hex(bytes);
  const text = new TextDecoder().decode(bytes);
  if (as === "text") return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return `This is no JSON; as text:\n${text}`;
  }
}

function facts(message) {
  const rows = [["Id", message.msgId], ["Stored", `${moment(message.storeTimestamp)} at ${message.storeHost}`],
    ["Born", `${moment(message.bornTimestamp)} at ${message.bornHost}`]];
  if (message.reconsumeTimes > 0) rows.push(["Tried again", `${message.reconsumeTimes} times`]);
  for (const [name, value] of Object.entries(message.properties)) rows.push([name, value]);
  return element("dl", {}, ...rows.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, value)]));
}

async function item(message) {
  const as = document.querySelector("input[name=body]:checked").value;
  const bytes = await opened(message);
  const text = element("pre", { class: as, tabindex: "0", "aria-label": "Body" }, body(bytes, as));
  const notes = [size(message.bodyLen)];
  if (message.bodyCut) notes.push("the first 64 KiB are shown");
  if ((message.sysFlag & 1) !== 0) notes.push("compressed by its producer");
  return element("li", {},
    element("h3", {}, `${message.topic}, queue ${message.queueId}, offset ${count(message.queueOffset)}`),
    element("p", { class: "quiet" }, notes.join(", ")), text,
    element("details", {}, element("summary", {}, "Properties, times, hosts"), facts(message)));
}

async function draw() {
  by("found").replaceChildren(...await Promise.all(found.map(item)));
}

function say(text, refused = false) {
  by("messages-note").className = refused ? "refused" : "";
  write(by("messages-note"), text);
}

function summary(answer) {
  const shown = answer.messages.length;
  const lost = answer.unreadable + (answer.damaged ?? 0);
  const parts = [];
  if (where === null) parts.push(shown === 0 ? "No message found." : `${count(shown)} found.`);
  else if (answer.status === "offset_too_small")
    parts.push(`That message was deleted: the queue begins at ${count(where.min)} now.`);
  else if (answer.status === "offset_too_large" || shown === 0)
    parts.push(`No message there: the queue holds offsets ${count(where.min)} to ${count(where.max - 1)}.`);
  else parts.push(`Offsets ${count(answer.messages[0].queueOffset)} to ${count(answer.messages.at(-1).queueOffset)}; the queue holds ${count(where.min)} to ${count(where.max - 1)}.`);
  if (where !== null && where.max === 0) parts.splice(0, 1, "The queue is empty.");
  if (lost > 0) parts.push(`${count(lost)} cannot be read. ${answer.warning ?? ""}`);
  if (answer.leftOut > 0) parts.push(`${count(answer.leftOut)} more did not fit.`);
  return parts.join(" ");
}

async function search(fields) {
  const mine = ++searches;
  found = [];
  where = null;
  say("Looking …");
  try {
    const answer = await json(`/v1/messages?${new URLSearchParams(fields)}`);
    if (mine !== searches) return;
    found = answer.messages;
    if ("next" in answer)
      where = { topic: answer.topic, queue: answer.queueId, from: answer.from, next: answer.next, min: answer.minOffset, max: answer.maxOffset };
    say(summary(answer));
  } catch (problem) {
    if (mine !== searches) return;
    say(problem.status === 400 ? `Refused: ${problem.message}` : problem.message, true);
  }
  by("earlier").disabled = where === null || (found[0]?.queueOffset ?? where.from) <= where.min;
  by("later").disabled = where === null || where.next >= where.max;
  await draw();
}

/// Its address brings a search again.
function go(fields) {
  const to = `#messages?${new URLSearchParams(fields)}`;
  if (location.hash === to) search(fields);
  else location.hash = to;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = {};
  for (const one of form.querySelectorAll("label[data-for]:not([hidden]) input"))
    fields[one.name] = one.name === "time" ? new Date(one.value).toISOString() : one.value.trim();
  go(fields);
});
form.by.addEventListener("change", showFields);
document.querySelectorAll("input[name=body]").forEach((one) => one.addEventListener("change", draw));
const turn = (from) => go({ topic: where.topic, queue: where.queue, offset: Math.max(from, where.min) });
by("earlier").addEventListener("click", () => turn((found[0]?.queueOffset ?? Math.min(where.from, where.max)) - page));
by("later").addEventListener("click", () => turn(where.next));
showFields();

/// The view is shown with this query, "topic=…&queue=…", or none.
export async function open(query) {
  const names = (await json("/v1/topics").catch(() => ({ topics: [] }))).topics.slice(0, 1000);
  by("topic-names").replaceChildren(...names.map((t) => element("option", { value: t.topic })));
  if (!query) return;
  const fields = Object.fromEntries(new URLSearchParams(query));
  form.by.value = ["id", "key", "time"].find((way) => way in fields) ?? "offset";
  showFields();
  for (const [name, value] of Object.entries(fields)) {
    if (!form.elements[name] || name === "by") continue;
    if (name !== "time") form.elements[name].value = value;
    else if (!Number.isNaN(Date.parse(value))) {
      const local = new Date(Date.parse(value));
      local.setMinutes(local.getMinutes() - local.getTimezoneOffset());
      form.elements[name].value = local.toISOString().slice(0, 19);
    }
  }
  await search(fields);
}
