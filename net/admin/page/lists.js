// Topics, groups and clients; one topic with its queues, one group with its lag.
import { ago, by, count, fillTable, json, link, short, span, write } from "./shared.js";

const most = 500; // rows; the filter finds the rest
const before = new Map(); // by topic and queue: {at, max}

/// Messages a second since this page last looked at the queue.
function rateOf(topic, queue, now) {
  const key = `${topic} ${queue.queueId}`;
  const last = before.get(key);
  if (!last || now - last.at > 900) before.set(key, { at: now, max: queue.maxOffset, rate: null });
  if (!last || queue.maxOffset < last.max) return null;
  const rate = now - last.at > 900 ? ((queue.maxOffset - last.max) * 1000) / (now - last.at) : last.rate;
  before.get(key).rate = rate;
  return rate;
}

function filtered(all, id, name) {
  const wanted = by(id).value.toLowerCase();
  return all.filter((one) => one[name].toLowerCase().includes(wanted));
}

function note(where, shown, all, what) {
  write(by(where), all === 0 ? `There are no ${what} yet.` : shown > most
    ? `The first ${most} of ${shown} ${what}; give a part of the name to see the others.`
    : `${count(shown)} ${what}${shown < all ? ` of ${count(all)}` : ""}.`);
}

const rights = { 2: "write", 4: "read", 6: "read, write" };
const topicLink = (name) => link(`#topics/${encodeURIComponent(name)}`, name);

/// `still` says whether what was asked for is still wanted when the answer comes.
export async function topics(name, still) {
  write(by("topics-title"), name ? `Topic ${name}` : "Topics");
  by("topic-filter").parentElement.hidden = Boolean(name);
  return name ? oneTopic(name, still) : allTopics(still);
}

async function allTopics(still) {
  const all = (await json("/v1/topics")).topics;
  if (!still()) return;
  const shown = filtered(all, "topic-filter", "topic");
  note("topics-note", shown.length, all.length, "topics");
  fillTable(by("topics-table"), [
    { title: "Topic", cell: (t) => topicLink(t.topic) },
    { title: "Queues to read", number: true, cell: (t) => count(t.readQueues) },
    { title: "to write", number: true, cell: (t) => count(t.writeQueues) },
    { title: "Clients may", cell: (t) => rights[t.perm] ?? "nothing" },
  ], shown.slice(0, most));
}

async function oneTopic(name, still) {
  const topic = await json(`/v1/topics/${encodeURIComponent(name)}`);
  if (!still()) return;
  const now = performance.now();
  const rates = new Map(topic.queues.map((q) => [q.queueId, rateOf(name, q, now)]));
  const held = topic.queues.reduce((sum, q) => sum + q.maxOffset - q.minOffset, 0);
  const known = [...rates.values()].filter((r) => r !== null);
  write(by("topics-note"), `${count(held)} messages in ${count(topic.queues.length)} queues` +
    (known.length > 0 ? `, ${short(known.reduce((a, b) => a + b, 0))} more each second.` : "."));
  fillTable(by("topics-table"), [
    { title: "Queue", number: true, cell: (q) => q.queueId },
    { title: "First offset", number: true, cell: (q) => count(q.minOffset) },
    { title: "Next offset", number: true, cell: (q) => count(q.maxOffset) },
    { title: "Messages /s", number: true, cell: (q) => (rates.get(q.queueId) === null ? "…" : short(rates.get(q.queueId))) },
    { title: "Oldest", number: true, cell: (q) => ago(q.firstStoreTimestamp) },
    { title: "Newest", number: true, cell: (q) => ago(q.lastStoreTimestamp) },
    { title: "Messages", cell: (q) => {
      const from = Math.max(q.minOffset, q.maxOffset - 32);
      return link(`#messages?topic=${encodeURIComponent(name)}&queue=${q.queueId}&offset=${from}`, "newest");
    } },
  ], topic.queues);
}

export async function groups(name, still) {
  write(by("groups-title"), name ? `Group ${name}` : "Groups");
  by("group-filter").parentElement.hidden = Boolean(name);
  return name ? oneGroup(name, still) : allGroups(still);
}

async function allGroups(still) {
  const answer = await json("/v1/groups");
  if (!still()) return;
  const shown = filtered(answer.groups, "group-filter", "group").map((g) => ({
    group: g.group,
    topics: new Set(g.offsets.map((o) => o.topic)).size,
    lag: g.offsets.some((o) => o.lag === null) ? null : g.offsets.reduce((sum, o) => sum + o.lag, 0),
  })).sort((a, b) => (b.lag ?? 0) - (a.lag ?? 0));
  note("groups-note", shown.length, answer.groups.length, "groups");
  fillTable(by("groups-table"), [
    { title: "Group", cell: (g) => link(`#groups/${encodeURIComponent(g.group)}`, g.group) },
    { title: "Topics", number: true, cell: (g) => count(g.topics) },
    { title: "Messages behind", number: true, cell: (g) => count(g.lag) },
  ], shown.slice(0, most));
}

async function oneGroup(name, still) {
  const group = await json(`/v1/groups/${encodeURIComponent(name)}`);
  if (!still()) return;
  const lag = group.queues.reduce((sum, q) => sum + q.lag, 0);
  const late = Math.max(0, ...group.queues.map((q) => q.behindMs ?? 0));
  const members = group.members === null ? "its members are not known here"
    : group.members.length === 0 ? "nobody is a member now" : `members: ${group.members.join(", ")}`;
  write(by("groups-note"), `${count(lag)} messages behind${late > 0 ? `, the oldest of them waits for ${span(late)}` : ""}; ${members}.` +
    (group.leftOut > 0 ? ` ${count(group.leftOut)} queues more are not shown.` : ""));
  fillTable(by("groups-table"), [
    { title: "Topic", cell: (q) => topicLink(q.topic) },
    { title: "Queue", number: true, cell: (q) => q.queueId },
    { title: "Is at", number: true, cell: (q) => count(q.offset) },
    { title: "Ends at", number: true, cell: (q) => count(q.maxOffset) },
    { title: "Messages behind", number: true, cell: (q) => count(q.lag) },
    { title: "Time behind", number: true, cell: (q) => (q.lag === 0 ? "—" : span(q.behindMs)) },
    { title: "Next message", cell: (q) => (q.lag === 0 ? "—"
      : link(`#messages?topic=${encodeURIComponent(q.topic)}&queue=${q.queueId}&offset=${Math.max(q.offset, q.minOffset)}`, "show")) },
  ], group.queues);
}

export async function clients(_, still) {
  const all = (await json("/v1/clients")).clients;
  if (!still()) return;
  note("clients-note", all.length, all.length, "clients of RocketMQ's protocol");
  fillTable(by("clients-table"), [
    { title: "Address", cell: (c) => c.address },
    { title: "Client", cell: (c) => c.clientId || "—" },
    { title: "Language", cell: (c) => c.language },
    { title: "Consumes as", cell: (c) => c.consumerGroups.join(", ") || "—" },
    { title: "Produces as", cell: (c) => c.producerGroups.join(", ") || "—" },
  ], all.slice(0, most));
}
