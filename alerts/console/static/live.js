// Every page: follows /events, and reads the page anew when something has happened.
// The server renders and escapes everything; no text from outside is ever put together here.

const body = document.body;
const connection = document.getElementById("connection");
const trouble = document.getElementById("trouble");
const announcer = document.getElementById("announce");
const patience = 3 * Number(body.dataset.aliveEvery) * 1000;
const title = document.title.replace(/^\(\d+\) /, "");
// The list is what people act on; on the other pages a change may take a moment.
const moment = body.dataset.page === "alarms" ? 0 : 2000;
const leastPause = 150;
const announceEvery = 5000;

let heard = performance.now();
let refreshing = false;
let again = false;
let planned = null;
let notBefore = 0;
let known = null;
let announced = -announceEvery;
let rendered = new WeakMap();
let clockAhead = 0;

export const dom = new EventTarget();

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
  body.classList.remove("not-live");
}

function notLive(why) {
  const text = `${body.dataset.notLive} ${lastSeen()}`;
  if (!connection.textContent.includes(text)) say(connection, "✕", text);
  connection.className = "lost";
  const full = why ? `${why} ${text}` : text;
  if (trouble.textContent !== full) trouble.textContent = full;
  trouble.hidden = false;
  body.classList.add("not-live");
}

// --- putting the new in place of the old --------------------------------------------------------------------------

function html(node) {
  if (!rendered.has(node)) rendered.set(node, node.outerHTML);
  return rendered.get(node);
}

function busy(node) {
  const focused = document.activeElement;
  const typing = focused && node.contains(focused) && focused.matches("input:not([type=checkbox]), select, textarea");
  return Boolean(typing);
}

function keep(before, after) {
  for (const details of before.querySelectorAll("details[open][data-keep]")) {
    const same = after.querySelector(`details[data-keep="${CSS.escape(details.dataset.keep)}"]`);
    if (same) same.open = true;
  }
}

// What somebody selected stays selected only while it is still what they saw.
function carry(before, after) {
  const same = before.dataset.occurrence === after.dataset.occurrence && before.dataset.version === after.dataset.version;
  const [old, fresh] = [before.querySelector(".pick input"), after.querySelector(".pick input")];
  if (old && fresh) fresh.checked = same && old.checked;
}

function focusedIn(row) {
  const focused = document.activeElement;
  if (!row.contains(focused)) return null;
  return focused === row ? "" : focused.className ? `.${[...focused.classList].map(CSS.escape).join(".")}` : focused.localName;
}

function merge(list, fresh) {
  const rows = new Map([...list.children].map((row) => [row.id, row]));
  let after = null;
  for (const next of [...fresh.children]) {
    const before = rows.get(next.id);
    rows.delete(next.id);
    let row = next;
    if (before && html(before) === html(next)) {
      row = before;
    } else if (before) {
      carry(before, next);
      const wanted = focusedIn(before);
      html(next);
      before.replaceWith(next);
      if (wanted !== null) (wanted ? next.querySelector(wanted) || next : next).focus({ preventScroll: true });
    } else {
      html(next);
      if (known) next.classList.add("arrived");
    }
    const place = after ? after.nextElementSibling : list.firstElementChild;
    // Moving a row would take the focus from it; it stays where it is if it can.
    if (place !== row) {
      const wanted = focusedIn(row);
      list.insertBefore(row, place);
      if (wanted !== null) (wanted ? row.querySelector(wanted) || row : row).focus({ preventScroll: true });
    }
    after = row;
  }
  for (const gone of rows.values()) {
    if (gone.contains(document.activeElement)) (after || list).focus({ preventScroll: true });
    gone.remove();
  }
}

function replaceMain(fresh) {
  const main = document.getElementById("main");
  const list = document.getElementById("alarms");
  const freshList = fresh.querySelector("#alarms");
  if (!list || !freshList) {
    if (busy(main) || html(main) === html(fresh)) return;
    keep(main, fresh);
    const focused = document.activeElement;
    const held = main.contains(focused) && focused.id ? focused.id : null;
    main.replaceChildren(...fresh.childNodes);
    rendered.delete(main);
    if (held) document.getElementById(held)?.focus({ preventScroll: true });
    return;
  }
  for (const id of ["floods", "filters"]) {
    const [old, next] = [document.getElementById(id), fresh.querySelector(`#${id}`)];
    if (html(old) !== html(next) && !old.contains(document.activeElement)) old.replaceWith(next);
  }
  for (const id of ["none", "heads"]) {
    document.getElementById(id)?.remove();
    const next = fresh.querySelector(`#${id}`);
    if (next) list.before(next);
  }
  merge(list, freshList);
}

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  const [strip, main] = [fresh.getElementById("strip"), fresh.getElementById("main")];
  if (!strip || !main) throw new Error("no page");
  document.getElementById("strip").replaceWith(strip);
  replaceMain(main);
  settle();
}

function settle() {
  const strip = document.getElementById("strip");
  clockAhead = Number(strip.dataset.now) - Date.now();
  const waiting = Number(strip.dataset.waiting);
  document.title = waiting ? `(${waiting}) ${title}` : title;
  announce();
  ages();
  dom.dispatchEvent(new Event("settled"));
}

// --- saying what is new, without a flood of words ----------------------------------------------------------------------

function announce() {
  const rows = [...document.querySelectorAll("#alarms > li[data-waiting='1']")];
  const now = new Set(rows.map((row) => `${row.dataset.alarm}#${row.dataset.occurrence}`));
  if (known === null) {
    known = now;
    return;
  }
  const fresh = rows.filter((row) => !known.has(`${row.dataset.alarm}#${row.dataset.occurrence}`));
  if (performance.now() - announced < announceEvery) return;
  known = now;
  if (!fresh.length) return;
  announced = performance.now();
  announcer.textContent = body.dataset.announce.replace("{count}", fresh.length).replace("{first}", fresh[0].dataset.what);
}

const [seconds, minutes, hours, days] = body.dataset.units.split("|");

function ago(ms) {
  const passed = Math.max(0, Math.floor(ms / 1000));
  if (passed < 120) return `${passed}${seconds}`;
  if (passed < 7200) return `${Math.floor(passed / 60)}${minutes}`;
  if (passed < 172800) return `${Math.floor(passed / 3600)}${hours}`;
  return `${Math.floor(passed / 86400)}${days}`;
}

function ages() {
  const now = Date.now() + clockAhead;
  for (const age of document.querySelectorAll(".age[data-at]")) age.textContent = ago(now - Number(age.dataset.at));
}

// --- following ---------------------------------------------------------------------------------------------------------

export async function refresh() {
  if (refreshing) {
    again = true;
    return;
  }
  refreshing = true;
  const begun = performance.now();
  try {
    const answer = await fetch(location.href.split("#")[0], {
      cache: "no-store",
      headers: { "x-part": "1" },
      signal: AbortSignal.timeout(8000),
    });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    if (answer.status >= 500) throw new Error(String(answer.status));
    show(await answer.text());
    heard = performance.now();
    live();
  } catch {
    notLive(body.dataset.away);
  } finally {
    refreshing = false;
  }
  // In a flood the page is long: reading it must not be all that the browser does.
  notBefore = performance.now() + Math.max(leastPause, 2 * (performance.now() - begun));
  if (again) {
    again = false;
    soon();
  }
}

function soon() {
  if (planned) return;
  if (refreshing) {
    again = true;
    return;
  }
  planned = setTimeout(() => {
    planned = null;
    refresh();
  }, Math.max(moment, notBefore - performance.now()));
}

// A page that answers a form is no page to read anew.
const readable = !document.querySelector("meta[name=answer]");
const source = new EventSource("/events");
source.addEventListener("open", () => readable && refresh());
source.addEventListener("transition", () => readable && soon());
source.addEventListener("alive", () => {
  heard = performance.now();
  if (connection.className !== "live") readable ? refresh() : live();
});
source.addEventListener("away", () => {
  heard = performance.now();
  notLive(body.dataset.away);
});
source.addEventListener("error", () => notLive(""));
setInterval(() => {
  if (performance.now() - heard > patience) notLive("");
  ages();
}, 1000);
// Transitions tell of every change; this is for the one that nobody thought of, and for marks that wear off.
setInterval(() => readable && refresh(), 30000);

body.classList.add("scripted");
for (const row of document.querySelectorAll("#alarms > li")) html(row);
settle();

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  const search = document.getElementById("search");
  if (search) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});
