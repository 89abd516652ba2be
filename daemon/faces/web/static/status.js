// The status page comes complete from the daemon and can be read without this. Here it is kept up to date: the events
// of the daemon's journal say when something has happened, then the page is fetched again and what changed is put in
// place. Control sends what was confirmed, with a token that is kept in this tab only.
"use strict";

const STALE_MS = 10000; // without any event: figures of probes grow old
const POLL_MS = 5000; // where no stream can be had
const SETTLE_MS = 250; // several events close together are one refresh
const AGAIN_MS = 1000;
const PATIENCE_MS = 25000;
const ANSWER_MS = 10000; // a page that is not there by then will not come
const QUIET_MS = 45000; // three heartbeats of the stream that did not come
const SEND_MS = 30000;
const PAUSE_MS = 100; // where many wait, the daemon answers at once
const UNDO_MS = 300000; // an undo may wait for a task to come back
const OUT_THERE = new Set(["planned", "injected"]); // states in which an effect may be out there

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const kept = { get: () => sessionStorage.getItem("chaosd.token") || "", set: (t) => sessionStorage.setItem("chaosd.token", t) };

// --- the token -------------------------------------------------------------------------------------------

function authorized(headers = {}) {
  const token = kept.get();
  return token ? { ...headers, Authorization: `Bearer ${token}` } : headers;
}

// Reading goes without the token where it is open: a wrong one in the field must not stop the page.
let readsWithToken = false;
const reading = (headers) => (readsWithToken ? authorized(headers) : headers);

// --- keeping the page up to date -------------------------------------------------------------------------

const drawn = new Map(); // what the daemon sent for each part, before this script touched it
let lastEvent = "";
let refreshing = null;
let wantedAgain = false;

function remember(page) {
  for (const part of all("[data-live]", page)) drawn.set(part.dataset.live, part.innerHTML);
}

function adopt(page) {
  for (const fresh of all("[data-live]", page)) {
    const name = fresh.dataset.live;
    const old = document.querySelector(`[data-live="${name}"]`);
    if (!old || drawn.get(name) === fresh.innerHTML) continue;
    drawn.set(name, fresh.innerHTML);
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const place = all(".scroll", old).map((box) => box.scrollLeft);
    old.replaceChildren(...fresh.childNodes);
    reveal(old);
    all(".scroll", old).forEach((box, i) => (box.scrollLeft = place[i] || 0));
    if (focused) refocus(old, focused);
  }
  exchange(page);
  document.title = page.title;
  document.body.dataset.halted = page.body.dataset.halted || "";
  tick();
}

// Halt or resume: one of the two is to be seen. Who was in the one is led to the other.
function exchange(page) {
  const inside = document.activeElement.closest("[data-sync]");
  for (const fresh of all("[data-sync]", page)) {
    const old = byId(fresh.id);
    if (old) old.hidden = fresh.hidden;
  }
  if (inside?.hidden) document.querySelector("[data-sync]:not([hidden]) input")?.focus({ preventScroll: true });
}

// The same element again where it has an id or leads to the same place; else the part itself keeps the keyboard.
function refocus(part, was) {
  const same = (was.id && byId(was.id)) || all("a[href]", part).find((a) => a.href === was.href) || all(".scroll", part)[0];
  if (same) return same.focus({ preventScroll: true });
  part.tabIndex = -1;
  part.focus({ preventScroll: true });
}

function reveal(root) {
  for (const one of all("[data-script]", root)) one.hidden = false;
  for (const one of all("[data-no-script]", root)) one.hidden = true;
}

async function refresh() {
  if (refreshing) {
    wantedAgain = true;
    return refreshing;
  }
  refreshing = (async () => {
    do {
      wantedAgain = false;
      const headers = reading({ Accept: "text/html" });
      const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (!answer.ok) throw new Error(`the daemon answers ${answer.status}`);
      adopt(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } while (wantedAgain);
  })().finally(() => (refreshing = null));
  return refreshing;
}

function freshness(state, text) {
  byId("freshness").className = `freshness ${state}`;
  byId("freshness-text").textContent = text;
}

// How news comes while all is well; what is shown again once an answer has come after all.
let standing = ["asking", "connecting"];
let lostSince = null;

function stands(state, text) {
  standing = [state, text];
  if (lostSince === null) freshness(state, text);
}

function lost() {
  lostSince ??= new Date().toISOString().slice(11, 19);
  freshness("lost", `No answer since ${lostSince}: what you see may be old`);
}

function found() {
  lostSince = null;
  freshness(...standing);
}

async function tryRefresh() {
  try {
    await refresh();
    found();
    return true;
  } catch (error) {
    lost();
    return false;
  }
}

let soon = 0;
function happened(name, facts) {
  const text = sentence(name, facts);
  if (text) byId("announce").textContent = text;
  clearTimeout(soon);
  soon = setTimeout(tryRefresh, SETTLE_MS);
}

function sentence(name, f) {
  const where = `${f.fault || "a fault"} on ${f.target || "a target"}`;
  if (name === "halt") return f.reason === null ? "The halt was lifted." : `Halted: ${f.reason}`;
  if (name === "probe") return `Probe ${f.probe} is ${f.status}.`;
  if (name !== "injection") return "";
  const said = {
    armed: `Waiting for the event: ${where}.`,
    fired: `The event has come: ${where}.`,
    injected: `Injected: ${where}.`,
    reverted: `${f.outcome === "superseded" ? "Left as the worker repaired it" : "Undone"}${f.doubt ? ", but not proved" : ""}: ${where}.`,
    settled: `Settled by ${f.by}: ${where}.`,
    "revert-failed": `The undo of ${where} has FAILED.`,
    aborted: `Aborted: ${where}. ${f.reason}`,
    refused: `Refused: ${where}. ${f.reason}`,
    judged: `Verdict on ${where}: ${f.verdict}.`,
  };
  return said[f.event] || "";
}

// fetch, not EventSource: that one cannot send a token. A stream without a heartbeat is none.
async function listen() {
  const quiet = new AbortController();
  let silence = 0;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => quiet.abort(), QUIET_MS);
  };
  heard();
  try {
    const headers = reading(lastEvent ? { "Last-Event-ID": lastEvent } : {});
    const answer = await fetch("/api/v1/events", { headers, cache: "no-store", signal: quiet.signal });
    if (!answer.ok) {
      await answer.body?.cancel();
      return false;
    }
    stands("live", "live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return true;
      heard();
      text += value;
      const messages = text.split("\n\n");
      text = messages.pop();
      messages.forEach(take);
    }
  } finally {
    clearTimeout(silence);
  }
}

function take(message) {
  const found = {};
  for (const line of message.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2);
  }
  if (!found.event) return;
  lastEvent = found.id;
  happened(found.event, JSON.parse(found.data));
}

async function watch() {
  for (;;) {
    let streamed = false;
    try {
      streamed = await listen();
    } catch (error) {
      lost();
      await pause(AGAIN_MS);
    }
    if (!streamed) stands("asking", `asks every ${POLL_MS / 1000} s: no stream to be had`);
    if (!streamed && (await tryRefresh())) {
      await pause(POLL_MS);
    } else {
      await pause(AGAIN_MS);
    }
  }
}

// --- time ------------------------------------------------------------------------------------------------

function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${s < 600 ? `${s % 60} s` : ""}`.trim();
  if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

function tick() {
  const now = Date.now();
  for (const time of all("time[data-ago]")) {
    time.title = time.dateTime;
    time.textContent = `${span(now - Date.parse(time.dateTime))} ago`;
  }
  for (const time of all("time[data-in]")) {
    time.title = time.dateTime;
    const left = Date.parse(time.dateTime) - now;
    time.textContent = left > 0 ? `in ${span(left)}` : "now";
  }
  for (const line of all("[data-ends]")) {
    const begun = Date.parse(line.dataset.begun);
    const left = Date.parse(line.dataset.ends) - now;
    const whole = Date.parse(line.dataset.ends) - begun;
    line.querySelector(".count").textContent = left > 0 ? `undone in ${span(left)}` : "being undone";
    const bar = line.closest(".fault").querySelector("progress");
    bar.hidden = false;
    bar.value = whole > 0 ? Math.min(1000, Math.max(0, (1000 * (now - begun)) / whole)) : 1000;
  }
}

// --- control ---------------------------------------------------------------------------------------------

function say(tone, title, ...more) {
  const answer = byId("answer");
  answer.className = `answer ${tone}`;
  const head = document.createElement("b");
  head.textContent = title;
  answer.replaceChildren(head, ...more.filter(Boolean).map((part) => (part instanceof Node ? part : new Text(`${part} `))));
  answer.hidden = false;
  answer.scrollIntoView({ block: "nearest" });
}

function complain(problem) {
  const token = byId("token");
  token.setAttribute("aria-invalid", problem.status === 401 || problem.rule === "scope");
  const refused = problem.status === 401 || problem.status === 403;
  say("bad", refused ? "Refused. Nothing was changed." : "That did not work.", problem.detail, problem.hint);
  if (problem.status === 401) token.focus();
}

// Sends one request; returns the answer, or null after saying in words why there is none.
async function send(verb, path, body, within = SEND_MS) {
  try {
    const headers = authorized(body ? { "Content-Type": "application/json" } : {});
    const asked = { method: verb, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(within) };
    const answer = await fetch(path, asked);
    const found = await answer.json().catch(() => ({}));
    if (answer.ok) {
      byId("token").removeAttribute("aria-invalid");
      return found;
    }
    complain({ detail: `the daemon answered ${answer.status}`, ...found, status: answer.status });
  } catch (error) {
    say("bad", "The daemon did not answer.", "Nothing is known about what became of it: see chaosd status.");
  }
  return null;
}

function confirmed(title, text, yes) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
}

const ACTS = {
  async halt(form) {
    const reason = form.elements.reason.value.trim();
    const text = `What is active is aborted and undone now; nothing begins until somebody resumes. Reason: ${reason}`;
    if (!(await confirmed("Halt everything?", text, "Halt now"))) return;
    if (await send("POST", "/api/v1/halt", { reason })) {
      form.reset();
      say("good", "Halted.", "What was active is being undone; nothing begins until somebody resumes.");
    }
  },
  async resume(form) {
    const because = form.elements.because.value.trim();
    const text = `Experiments begin again when they are due. Because: ${because}`;
    if (!(await confirmed("Lift the halt?", text, "Resume"))) return;
    if (await send("POST", "/api/v1/resume", { because })) {
      form.reset();
      say("good", "Resumed.", "Experiments begin again when they are due.");
    }
  },
  async inject(form) {
    const { fault, mode, target, duration_s: stays } = form.elements;
    const what = `${fault.value}${mode.value ? `/${mode.value}` : ""} on ${target.value}`;
    const text = `${what} for ${stays.value.trim()}. This disturbs ${target.value} for real. It is undone afterwards.`;
    if (!(await confirmed("Inject this fault?", text, "Inject now"))) return;
    const body = { fault: fault.value, target: target.value, duration_s: stays.value.trim() };
    const begun = await send("POST", "/api/v1/injections", mode.value ? { ...body, parameters: { mode: mode.value } } : body);
    if (begun) await follow(begun.id, what);
  },
  async revert(button) {
    const { id, what } = button.dataset;
    if (!(await confirmed("Undo this fault now?", `${what}: its experiment is aborted and the fault taken back.`, "Undo now"))) return;
    say("calm", "Being undone.", `${what}.`);
    const found = await send("POST", `/api/v1/injections/${encodeURIComponent(id)}/revert`, {}, UNDO_MS);
    if (found) say(...undone(found, what));
  },
};

function evidence(id) {
  const link = document.createElement("a");
  link.href = `/injections/${encodeURIComponent(id)}`;
  link.textContent = "See the evidence.";
  return link;
}

// What became of the undo: only what was proved is called undone without more.
function undone(found, what) {
  const { id, state } = found.injection;
  const { proved, superseded, doubt, detail, settled } = found.undo;
  const more = [`${what}.`, evidence(id)];
  if (state === "revert-failed") {
    const then = "It is tried again; chaosd recover tries at once, and chaosd settle closes the case when somebody has looked.";
    return ["bad", "The undo has FAILED: residue may remain.", detail, then, ...more];
  }
  if (state === "settled") return ["warn", "The undo had failed; the case is settled.", `By ${settled.by}: ${settled.because}.`, ...more];
  if (doubt) return ["warn", superseded ? "Somebody else's version was left alone; not proved." : "Undone, but not proved.", `${doubt}.`, ...more];
  if (superseded) return ["good", "Somebody else had changed it: that version was left alone.", ...more];
  if (proved) return ["good", "Undone, and proved.", ...more];
  if (OUT_THERE.has(state)) return ["bad", "Not undone yet.", ...more];
  return ["calm", "There was nothing to undo.", ...more];
}

// The end of an experiment: a good verdict beside an undo that was not proved is not all there is to say.
function ended(found, what) {
  const { verdict, reasons, undo } = found;
  const { id, state } = found.injection;
  if (verdict === "refused") return ["bad", "Refused by the guard. Nothing was injected.", ...reasons, evidence(id)];
  if (verdict === "not-triggered") return ["warn", "The event did not come. Nothing was injected.", ...reasons, evidence(id)];
  if (state === "revert-failed") return undone(found, what);
  const good = verdict === "recovered" || verdict === "no-impact";
  const tone = !good ? "bad" : undo.doubt ? "warn" : "good";
  return [tone, `It ended: ${verdict}.`, ...reasons, undo.doubt && `The undo is not proved: ${undo.doubt}.`, evidence(id)];
}

// Begun is not done: say what becomes of it, a refusal by the guard above all.
async function follow(id, what) {
  const path = `/api/v1/injections/${encodeURIComponent(id)}`;
  say("calm", "Begun.", `${what}: the guard is asked, then the fault is injected.`);
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await send("GET", `${path}?wait=1`);
    if (!found) return;
    const { state } = found.injection;
    if (found.verdict) return say(...ended(found, what));
    if (state === "injected") return say("good", "Injected.", `${what}.`, evidence(id));
    if (state !== "proposed" && state !== "planned") return say(...undone(found, what));
    if (Date.now() > until) return say("calm", "Still under way.", `${what}.`, evidence(id));
    await new Promise((wake) => setTimeout(wake, PAUSE_MS));
  }
}

async function act(name, element) {
  await ACTS[name](element);
  tryRefresh();
}

function modes() {
  const fault = byId("inject-fault");
  const mode = byId("inject-mode");
  if (!fault) return;
  for (const option of all("option[data-of]", mode)) option.hidden = option.disabled = option.dataset.of !== fault.value;
  mode.value = "";
}

// --- beginning -------------------------------------------------------------------------------------------

async function open() {
  // Reading is closed: with the token the page itself can be had, in place of the refusal.
  const headers = authorized({ Accept: "text/html" });
  const asked = { headers, cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) };
  const answer = await fetch(location.href, asked).catch(() => null);
  if (answer === null) return say("bad", "The daemon did not answer.", "Press Enter to ask again.");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!answer.ok) return say("bad", "Refused.", page.querySelector("main p")?.textContent);
  readsWithToken = true;
  document.body.replaceWith(document.adoptNode(page.body));
  document.title = page.title;
  begin();
}

function begin() {
  remember(document);
  reveal(document);
  const token = byId("token");
  if (token) token.value = kept.get();
  if (document.body.dataset.problem) {
    if (document.body.dataset.problem === "401" && kept.get()) open();
    return;
  }
  lastEvent = document.body.dataset.lastEvent;
  modes();
  tick();
  stands("asking", "connecting");
  setInterval(tick, 1000);
  setInterval(() => document.hidden || tryRefresh(), STALE_MS);
  watch();
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && document.body.dataset.lastEvent && !document.body.dataset.problem) tryRefresh();
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.act) return;
  event.preventDefault();
  if (form.dataset.act !== "token") act(form.dataset.act, form);
  else if (document.body.dataset.problem) open();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-act]");
  if (!button) return;
  if (button.dataset.act === "forget") {
    kept.set("");
    byId("token").value = "";
    byId("token").focus();
  } else act(button.dataset.act, button);
});
document.addEventListener("input", (event) => {
  if (event.target.id === "token") kept.set(event.target.value.trim());
  if (event.target.id === "inject-fault") modes();
});
begin();
