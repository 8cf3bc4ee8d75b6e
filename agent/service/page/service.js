// The page of the studies. Every text of a study is set as text, never as HTML.
"use strict";

const EVERY = 2000, KEPT = "augur-token";
const byId = (id) => document.getElementById(id);
let shown = "", busy = false;

function tokenFromAddress() {
  const given = location.hash.match(/^#token=(.*)$/);
  if (given === null) return;
  try {
    sessionStorage.setItem(KEPT, decodeURIComponent(given[1]));
  } catch { // a bare per cent sign
    sessionStorage.setItem(KEPT, given[1]);
  }
  history.replaceState(null, "", location.pathname); // so that it is not in the history
}

async function ask(path, method = "GET", body) {
  const headers = {}, token = sessionStorage.getItem(KEPT);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
}

async function faultOf(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `the service answers ${answer.status}`;
  }
}

function say(text) {
  byId("fault").textContent = text;
  byId("fault").hidden = !text;
}

function away() {
  say("The service does not answer; this page asks again.");
  byId("fault").dataset.away = "yes";
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const when = (seconds) => (seconds === null ? "" : new Date(1000 * seconds).toLocaleString());

async function act(study, action, body) {
  const answer = await ask(`/api/studies/${encodeURIComponent(study.name)}/${action}`, "POST", body);
  say(answer.ok ? "" : await faultOf(answer));
  await refresh();
}

function actions(study) {
  const nav = element("nav");
  const add = (name, what) => {
    const button = element("button", name);
    button.type = "button";
    button.setAttribute("aria-label", `${name} ${study.name}`);
    button.addEventListener("click", what);
    nav.append(button);
  };
  if (["queued", "running"].includes(study.state)) add("pause", () => act(study, "pause"));
  if (["paused", "failed"].includes(study.state)) add("resume", () => act(study, "resume"));
  if (!["finished", "cancelled", "cancelling"].includes(study.state)) {
    add("cancel", () => confirm(`Cancel ${study.name}? Its files stay.`) && act(study, "cancel"));
    add("note", () => {
      const text = prompt(`A note on ${study.name}, which a language model reads before its next proposal:`);
      if (text && text.trim()) act(study, "notes", { text });
    });
  }
  nav.append(...links(study));
  return nav;
}

function links(study) {
  return Object.entries(study.links).map(([name, address]) => {
    const link = element("a", name === "mlflow" ? "MLflow" : name);
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener";
    return link;
  });
}

function card(study) {
  const made = element("article", undefined, "card"), head = element("header"), progress = study.progress;
  head.append(element("h2", study.name), element("span", study.state, `state ${study.state}`));
  made.append(head);
  if (study.message) made.append(element("p", study.message, "soft"));
  if (progress.phase) {
    const trained = `${progress.phase}: ${progress.trials} of ${progress.trials_of_phase} trials`;
    const bar = element("progress");
    bar.max = Math.max(progress.trials_of_phase, 1);
    bar.value = progress.trials;
    bar.setAttribute("aria-label", trained);
    made.append(element("p", trained), bar);
  }
  const metric = progress.metric.replaceAll("_", " ");
  const plots = [curvesFigure(progress.running, metric), candidatesFigure(progress.candidates, metric)].filter(Boolean);
  if (plots.length) {
    const grid = element("div", undefined, "plots");
    grid.append(...plots);
    made.append(grid);
  }
  if (progress.latest) made.append(element("p", progress.latest, "latest"));
  made.append(actions(study));
  return made;
}

function row(cells) {
  const made = element("tr");
  for (const cell of cells) {
    const td = element("td");
    td.append(cell ?? "");
    made.append(td);
  }
  return made;
}

function fill(id, rows) {
  byId(id).hidden = !rows.length;
  byId(id).tBodies[0].replaceChildren(...rows);
}

function show(studies) {
  const of = (...states) => studies.filter((study) => states.includes(study.state));
  byId("studies").hidden = false;
  byId("login").hidden = true;
  byId("none").hidden = studies.length > 0;
  byId("now").replaceChildren(...of("running", "pausing", "cancelling").map(card));
  fill("queue", of("queued", "paused").map((study) => row([
    study.position ?? "", study.name, study.message ? `${study.state}: ${study.message}` : study.state,
    when(study.submitted), actions(study)])));
  fill("ended", of("finished", "failed", "cancelled").reverse().map((study) => row([
    study.name, element("span", study.state, `state ${study.state}`), study.progress.sentence || study.message,
    when(study.ended), actions(study)])));
}

async function refresh() {
  if (busy) return;
  busy = true;
  try {
    const answer = await ask("/api/studies");
    if (answer.status === 401) {
      byId("login").hidden = false;
      byId("studies").hidden = true;
      return;
    }
    if (!answer.ok) return say(await faultOf(answer));
    const text = await answer.text();
    if (text !== shown) show(JSON.parse(text)); // a page that stays as it is keeps its focus
    shown = text;
    if (byId("fault").dataset.away) say("");
    delete byId("fault").dataset.away;
  } catch {
    away();
  } finally {
    busy = false;
  }
}

async function open() {
  // The links of the page carry no header: from now on a cookie, which can only read, is enough for them.
  const kept = sessionStorage.getItem(KEPT) ?? "", sendable = /^[\x21-\x7e]*$/.test(kept);
  const answer = sendable ? await ask("/api/page-pass", "POST") : null;
  if (answer === null || answer.status === 401) {
    const why = sendable ? "" : " A token has no blanks, and no characters outside ASCII.";
    if (kept) say(`This is not the token of this service.${why}`);
    sessionStorage.removeItem(KEPT);
    byId("login").hidden = false;
    return false;
  }
  say("");
  await refresh();
  return true;
}

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEPT, byId("token").value.trim());
  byId("token").value = "";
  await open().catch(away);
});

window.addEventListener("hashchange", () => { tokenFromAddress(); open().catch(away); });
tokenFromAddress();
open().catch(away);
setInterval(() => { if (byId("login").hidden && !document.hidden) refresh(); }, EVERY);
