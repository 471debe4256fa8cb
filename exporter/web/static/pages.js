// Makes the pages tick, refresh themselves and copy. They say the same without it.
"use strict";

const REFRESH_SECONDS = 10;

// Ages are the server's: a browser's clock may be wrong by minutes.
let ahead = 0;
let paused = false;
let reached = true;

function setClock(page) {
  ahead = Date.now() / 1000 - Number(page.documentElement.dataset.now);
}

function span(seconds) {
  const parts = (a, unit, b, smaller) => `${Math.floor(a)}${unit} ${Math.floor(b)}${smaller}`;
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return parts(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return parts(seconds / 3600, "h", (seconds % 3600) / 60, "m");
  return parts(seconds / 86400, "d", (seconds % 86400) / 3600, "h");
}

function tick() {
  const now = Date.now() / 1000 - ahead;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const age = Math.trunc(now - Number(time.dataset.at));
    const past = "due" in time.dataset ? "now" : `${span(age)} ago`;
    const text = age >= 0 ? past : `in ${span(-age)}`;
    if (time.textContent !== text) time.textContent = text;
  }
}

// Replaces what is alive by what the server says now. The place on the page, the focus and what
// somebody types or has marked stay as they are.
async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.documentElement.dataset.now) throw new Error("not one of our pages");
    reached = true;
    setClock(page);
    const marked = getSelection();
    for (const old of document.querySelectorAll("[data-live]")) {
      const made = page.getElementById(old.id);
      if (!made || (!marked.isCollapsed && marked.containsNode(old, true))) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceChildren(...made.childNodes);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
    addCopyButtons();
    tick();
  } catch {
    reached = false;
  }
  showRefresh();
}

function showRefresh() {
  const place = document.querySelector("[data-refresh]");
  const text = reached ? "" : "The exporter does not answer: what is shown is old.";
  if (place.firstChild.textContent !== text) place.firstChild.textContent = text;
  place.classList.toggle("unreached", !reached);
  place.lastChild.textContent = paused ? "Refresh every 10s" : "Stop refreshing";
}

function setUpRefresh() {
  if (!document.querySelector("main [data-live]")) return;
  const place = document.querySelector("[data-refresh]");
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => {
    paused = !paused;
    showRefresh();
    if (!paused) refresh();
  });
  place.replaceChildren(said, button);
  place.hidden = false;
  showRefresh();
  setInterval(() => {
    if (!paused && !document.hidden) refresh();
  }, REFRESH_SECONDS * 1000);
}

function addCopyButtons() {
  for (const block of document.querySelectorAll("pre[data-copy]")) {
    if (block.nextElementSibling?.matches("button.copy")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    if (block.hasAttribute("aria-labelledby")) {
      button.id = `copy-${block.getAttribute("aria-labelledby")}`;
      button.setAttribute("aria-describedby", block.getAttribute("aria-labelledby"));
    }
    button.addEventListener("click", () => copy(block, button));
    block.after(button);
  }
}

async function copy(block, button) {
  try {
    await navigator.clipboard.writeText(block.textContent);
  } catch {
    // Without TLS there is no clipboard to write to but by a selection.
    getSelection().selectAllChildren(block);
    document.execCommand("copy");
    getSelection().removeAllRanges();
  }
  button.textContent = "Copied";
}

function submitOnChange() {
  const form = document.querySelector("form.filter");
  form?.addEventListener("change", (event) => {
    if (event.target.type !== "search") form.requestSubmit();
  });
  // Addresses stay short: what is as by default is not sent.
  form?.addEventListener("formdata", (event) => {
    for (const [name, usual] of [["q", ""], ["status", ""], ["sort", "account"], ["order", "asc"]]) {
      if (event.formData.get(name) === usual) event.formData.delete(name);
    }
  });
}

setClock(document);
tick();
setInterval(tick, 1000);
setUpRefresh();
addCopyButtons();
submitOnChange();
