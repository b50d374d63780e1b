// The live page: follows /events, reads the alarms anew when something has happened, acknowledges.
// The server renders and escapes everything; no text from outside is ever put together here.
"use strict";

const body = document.body;
const connection = document.getElementById("connection");
const trouble = document.getElementById("trouble");
const alarms = document.getElementById("alarms");
const dialog = document.getElementById("acknowledging");
const form = document.getElementById("acknowledgement");
const refused = document.getElementById("refused");
const patience = 3 * Number(body.dataset.aliveEvery) * 1000;

let heard = performance.now();
let refreshing = false;
let again = false;
let current = null;

function say(element, sign, text) {
  const mark = document.createElement("span");
  mark.setAttribute("aria-hidden", "true");
  mark.textContent = sign;
  element.replaceChildren(mark, " ", text);
}

function lastSeen() {
  const shown = document.getElementById("as-of");
  return shown ? shown.textContent : "--";
}

function live() {
  if (connection.className !== "live") say(connection, "●", body.dataset.live);
  connection.className = "live";
  trouble.hidden = true;
  alarms.classList.remove("not-live");
}

function notLive(why) {
  const text = `${body.dataset.notLive} ${lastSeen()}`;
  connection.className = "lost";
  if (!connection.textContent.includes(text)) say(connection, "✕", text);
  const full = why ? `${why} ${text}` : text;
  if (trouble.hidden || trouble.textContent !== full) trouble.textContent = full;
  trouble.hidden = false;
  alarms.classList.add("not-live");
}

function part() {
  const query = new URLSearchParams(location.search);
  query.set("lang", body.dataset.language);
  return `/alarms?${query}`;
}

function show(html) {
  const open = new Set([...alarms.querySelectorAll("details[open]")].map((details) => details.dataset.keep));
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.alarm : null;
  const fresh = new DOMParser().parseFromString(html, "text/html");
  alarms.replaceChildren(...fresh.body.childNodes);
  for (const details of alarms.querySelectorAll("details")) {
    if (open.has(details.dataset.keep)) details.open = true;
  }
  for (const button of alarms.querySelectorAll("button.acknowledge")) {
    if (focused && button.dataset.alarm === focused) button.focus();
  }
}

async function refresh() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  try {
    const answer = await fetch(part(), { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.text());
    heard = performance.now();
    live();
  } catch {
    notLive(body.dataset.away);
  } finally {
    refreshing = false;
  }
  if (again) {
    again = false;
    setTimeout(refresh, 200);
  }
}

const source = new EventSource("/events");
source.addEventListener("open", refresh);
source.addEventListener("transition", refresh);
source.addEventListener("alive", () => {
  heard = performance.now();
  if (connection.className !== "live") refresh();
});
source.addEventListener("away", () => {
  heard = performance.now();
  notLive(body.dataset.away);
});
source.addEventListener("error", () => notLive(""));
setInterval(() => {
  if (performance.now() - heard > patience) notLive("");
}, 1000);
// Transitions tell of every change; this is for the one that nobody thought of.
setInterval(refresh, 30000);

alarms.addEventListener("click", (event) => {
  const button = event.target.closest("button.acknowledge");
  if (!button) return;
  current = { ...button.dataset };
  document.getElementById("acknowledging-what").textContent = current.what;
  form.elements.by.value = localStorage.getItem("by") || "";
  form.elements.comment.value = "";
  refused.hidden = true;
  dialog.showModal();
});

document.getElementById("cancel").addEventListener("click", () => dialog.close());

function refuse(text) {
  refused.textContent = text;
  refused.hidden = false;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const by = form.elements.by.value.trim();
  localStorage.setItem("by", by);
  const seen = { occurrence: Number(current.occurrence), version: Number(current.version) };
  try {
    const answer = await fetch(`/api/alarms/${encodeURIComponent(current.alarm)}/ack`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...seen, by, comment: form.elements.comment.value }),
      signal: AbortSignal.timeout(8000),
    });
    if (answer.ok) dialog.close();
    else if (answer.status === 409) refuse(body.dataset.stale);
    else refuse(`${body.dataset.failed}${answer.status}`);
  } catch (error) {
    refuse(`${body.dataset.failed}${error.message}`);
  }
  refresh();
});
