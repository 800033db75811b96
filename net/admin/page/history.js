// The node's last hour, as far as it was fetched: only what is new is asked for.
import { json } from "./shared.js";

const step = 10000; // of the coarse columns
const parts = { fine: new Map(), coarse: new Map() }; // by time, or by its ten seconds
let since = 0;
export let diskPercent = [];

export async function refresh() {
  const answer = await json(`/v1/history?since=${since}`);
  diskPercent = answer.diskPercent;
  for (const [name, kept] of Object.entries(parts)) {
    const columns = answer[name];
    columns.at.forEach((at, i) => {
      const one = { at };
      for (const [column, values] of Object.entries(columns)) one[column] = values[i];
      kept.set(name === "fine" ? at : Math.floor(at / step), one);
      since = Math.max(since, at);
    });
  }
  for (const [key, one] of parts.fine) if (one.at < since - 600000) parts.fine.delete(key);
  for (const [key, one] of parts.coarse) if (one.at < since - 3600000) parts.coarse.delete(key);
}

/// Another node answers at this address, or the same after a start: nothing fits together.
export function forget() {
  parts.fine.clear();
  parts.coarse.clear();
  since = 0;
}

/// [from, until] and the looks in between, for the last `length` ms.
export function looks(length) {
  const all = [...(length <= 600000 ? parts.fine : parts.coarse).values()];
  const until = since || Date.now();
  return { from: until - length, until, all: all.filter((one) => one.at >= until - length) };
}

/// A rate a second between looks of what counts; null where one is not known or the count is
/// another one since. A column that is seldom known is compared with the last time it was.
export function rate(all, column, seldom = false) {
  const points = [];
  let before = null;
  for (const one of all) {
    const value = one[column];
    if (value === null) {
      if (!seldom) {
        points.push([one.at, null]);
        before = null;
      }
      continue;
    }
    if (before !== null && one.at > before.at) {
      const grown = value - before.value;
      points.push([one.at, grown < 0 ? null : (grown * 1000) / (one.at - before.at)]);
    }
    before = { at: one.at, value };
  }
  return points;
}

export const level = (all, column) => all.map((one) => [one.at, one[column]]);

/// Of what was done between two looks: one count by the other, such as ms each.
export function each(all, sum, times) {
  const points = [];
  for (let i = 1; i < all.length; ++i) {
    const done = all[i][times] - all[i - 1][times];
    const known = all[i][times] !== null && all[i - 1][times] !== null && done >= 0;
    points.push([all[i].at, !known ? null : done === 0 ? 0 : (all[i][sum] - all[i - 1][sum]) / done]);
  }
  return points;
}
