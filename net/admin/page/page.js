// Shows /v1/status, and again every few seconds while somebody looks.
"use strict";

const interval = 5000;

function show(status) {
  document.getElementById("title").textContent = `${status.node} of ${status.cluster}`;
  document.getElementById("state").textContent =
    status.writable === true ? "takes messages" : `takes no messages: ${status.reason}`;
  const rows = Object.entries(status)
    .filter(([, value]) => value === null || typeof value !== "object")
    .map(([name, value]) => {
      const row = document.createElement("tr");
      for (const text of [name, value === null ? "unknown" : String(value)]) {
        const cell = document.createElement("td");
        cell.textContent = text;
        row.append(cell);
      }
      return row;
    });
  document.getElementById("values").replaceChildren(...rows);
}

async function refresh() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/v1/status");
      if (!answer.ok) throw new Error(await answer.text());
      show(await answer.json());
    } catch (problem) {
      document.getElementById("state").textContent = `no answer: ${problem.message}`;
    }
  }
  setTimeout(refresh, interval);
}

refresh();
