// The list of alarms: selecting, keys, acknowledging and shelving without leaving the page.

import { dom, refresh } from "/static/live.js";

const list = document.getElementById("alarms");
const csrf = document.querySelector("meta[name=csrf]").content;
const phrases = document.getElementById("phrases").dataset;
const acknowledging = document.getElementById("acknowledging");
const shelving = document.getElementById("shelving");
const helping = document.getElementById("helping");
const language = document.body.dataset.language;
const atOnce = 200;
const listed = 6;

const rows = () => [...list.children];
const box = (row) => row.querySelector(".pick input");
const selected = () => rows().filter((row) => box(row)?.checked);
const current = () => document.activeElement?.closest?.("#alarms > li") || null;

function seen(row) {
  const { alarm, occurrence, version, what } = row.dataset;
  return { alarm, occurrence: Number(occurrence), version: Number(version), what };
}

// --- selecting -----------------------------------------------------------------------------------------------------

function count() {
  const number = selected().length;
  const button = document.getElementById("acknowledge-selected");
  if (button) {
    button.disabled = number === 0;
    document.getElementById("selected-count").textContent = number;
  }
  const all = document.getElementById("all");
  if (all) {
    const boxes = rows().map(box).filter(Boolean);
    all.checked = boxes.length > 0 && number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
  }
  for (const row of rows()) row.classList.toggle("selected", Boolean(box(row)?.checked));
  rove(current() || rows().find((row) => row.tabIndex === 0));
}

// One row is in the order of tabs, the arrows lead to the others.
function rove(wanted) {
  const all = rows();
  const one = wanted && all.includes(wanted) ? wanted : all[0];
  for (const row of all) row.tabIndex = row === one ? 0 : -1;
}

dom.addEventListener("settled", count);
document.addEventListener("change", (event) => {
  if (event.target.id === "all") {
    for (const row of rows()) if (box(row)) box(row).checked = event.target.checked;
  }
  if (event.target.closest("#alarms, #tools")) count();
});
list.addEventListener("focusin", () => rove(current()));
list.addEventListener("click", (event) => {
  const row = event.target.closest("#alarms > li");
  const button = event.target.closest("button.acknowledge, a.shelve");
  if (button) {
    event.preventDefault();
    if (button.matches(".shelve")) shelve(row);
    else acknowledge([row]);
    return;
  }
  if (!event.target.closest("a, button, input, label")) row?.focus();
});

// --- dialogs ---------------------------------------------------------------------------------------------------------

for (const dialog of [acknowledging, shelving, helping]) {
  dialog?.querySelector(".cancel").addEventListener("click", () => dialog.close());
}

function open(dialog, chosen) {
  const names = chosen.slice(0, listed).map((one) => {
    const item = document.createElement("li");
    item.textContent = one.what;
    return item;
  });
  if (chosen.length > listed) {
    const item = document.createElement("li");
    item.textContent = dialog.querySelector(".chosen").dataset.more.replace("{count}", chosen.length - listed);
    names.push(item);
  }
  dialog.querySelector(".chosen").replaceChildren(...names);
  dialog.querySelector(".trouble").hidden = true;
  dialog.querySelector("form").reset();
  dialog.showModal();
}

function refuse(dialog, text) {
  const trouble = dialog.querySelector(".trouble");
  trouble.textContent = text;
  trouble.hidden = false;
}

async function post(path, content) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": csrf },
    body: JSON.stringify(content),
    signal: AbortSignal.timeout(15000),
  });
  if (answer.status === 401) location.reload();
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.texts?.[language] || said.detail || String(answer.status));
  return said;
}

function working(dialog, promise) {
  const button = dialog.querySelector("button[type=submit]");
  button.disabled = true;
  promise
    .catch((error) => refuse(dialog, `${phrases.failed}${error.message}`))
    .finally(() => {
      button.disabled = false;
      refresh();
    });
}

let chosen = [];

function acknowledge(wanted) {
  if (!acknowledging) return;
  // What the person sees now is what is acknowledged, whatever comes meanwhile.
  chosen = wanted.filter((row) => row?.dataset.waiting === "1").map(seen);
  if (!chosen.length) return;
  acknowledging.querySelector("[data-count]").textContent = chosen.length;
  open(acknowledging, chosen);
  acknowledging.querySelector("button[type=submit]").focus();
}

async function sendAcknowledgements(comment) {
  let done = 0;
  for (let first = 0; first < chosen.length; first += atOnce) {
    const alarms = chosen.slice(first, first + atOnce).map(({ what, ...one }) => one);
    done += (await post("/api/ack", { alarms, comment })).acknowledged;
  }
  const left = chosen.length - done;
  if (!left) acknowledging.close();
  else if (!done) refuse(acknowledging, phrases.stale);
  else refuse(acknowledging, phrases.partly.replace("{done}", done).replace("{left}", left));
}

acknowledging?.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  working(acknowledging, sendAcknowledgements(event.target.elements.comment.value.trim()));
});

function shelve(row) {
  if (!shelving || !row) return;
  chosen = [seen(row)];
  open(shelving, chosen);
  shelving.querySelector("input[name=reason]").focus();
}

async function sendShelving(form) {
  const choice = form.querySelector("input[name=for]:checked");
  const until = Number(choice.dataset.until);
  const length = until ? { until } : { minutes: Number(choice.value) };
  const path = `/api/alarms/${encodeURIComponent(chosen[0].alarm)}/shelve`;
  await post(path, { ...length, reason: form.elements.reason.value.trim() });
  shelving.close();
}

shelving?.querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  working(shelving, sendShelving(event.target));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#acknowledge-selected")) acknowledge(selected());
  if (event.target.closest("#help")) helping.showModal();
});

// --- keys --------------------------------------------------------------------------------------------------------------

function move(by) {
  const all = rows();
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function toggle() {
  const one = current() && box(current());
  if (one) {
    one.checked = !one.checked;
    count();
  }
}

const keys = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  x: toggle,
  a: () => acknowledge(selected().length ? selected() : [current()]),
  s: () => shelve(current()),
  "?": () => helping.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  // Arrows scroll the page unless a row has the focus.
  if (event.key.startsWith("Arrow") && !current()) return;
  if (event.key === "Enter" && event.target === current()) {
    event.target.querySelector("h2 a").click();
  } else if (Object.hasOwn(keys, event.key)) {
    event.preventDefault();
    keys[event.key]();
  }
});
