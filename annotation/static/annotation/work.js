// Keys and active time on a worker's page. Without this file the page works all the same.
"use strict";

const form = document.getElementById("judgment");
const idleLimitMs = 1000 * Number(document.getElementById("main").dataset.idleSeconds);

// Active time: while the page is visible and something was touched less than the idle limit ago. The form's own field
// holds it, so that a draft keeps it over a reload.
const activeSeconds = form.elements.active_seconds;
let activeMs = 1000 * Number(activeSeconds.value);
let lastTick = performance.now();
let lastTouch = lastTick;

function tick() {
  const now = performance.now();
  if (document.visibilityState === "visible") {
    activeMs += Math.max(0, Math.min(now, lastTouch + idleLimitMs) - lastTick);
  }
  activeSeconds.value = (activeMs / 1000).toFixed(2);
  lastTick = now;
}

function touch() {
  tick();
  lastTouch = lastTick;
}

for (const name of ["keydown", "pointerdown", "pointermove", "scroll", "touchstart"]) {
  window.addEventListener(name, touch, { passive: true, capture: true }); // a region's scrolling does not bubble
}
document.addEventListener("visibilitychange", touch);
window.setInterval(tick, 1000);

// A page that the browser brings back from its memory must not stay locked.
const sendButton = form.querySelector("button[type=submit]");
form.addEventListener("submit", () => {
  tick();
  sendButton.disabled = true;
});
window.addEventListener("pageshow", () => { sendButton.disabled = false; });

// Keys: each radio names its own. It answers the question that has focus, or else the first without an answer.
function groups() {
  const visible = [...form.querySelectorAll("input[type=radio]")].filter((radio) => radio.offsetParent !== null);
  return [...new Set(visible.map((radio) => radio.name))];
}

function isOpen(name) {
  return form.elements[name].value === "";
}

function focusedGroup() {
  const field = document.activeElement.closest("fieldset");
  return document.activeElement.name || (field && field.querySelector("input[type=radio]").name);
}

function choose(key) {
  const names = groups();
  const fitting = names.filter((name) => [...form.elements[name]].some((radio) => radio.dataset.key === key));
  if (fitting.length === 0) return;
  const focused = focusedGroup();
  const name = fitting.includes(focused) ? focused : fitting.find(isOpen) || fitting.at(-1);
  const radio = [...form.elements[name]].find((each) => each.dataset.key === key);
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  // What is asked may have changed with the answer.
  const now = groups();
  const next = now.slice(now.indexOf(name) + 1).find(isOpen) || now.find(isOpen);
  (next ? form.elements[next][0] : radio).focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("summary, a, textarea, select, input:not([type=radio])")) return;
  const key = event.key.toLowerCase();
  if (key === "enter") {
    if (event.target.closest("button")) return;
    event.preventDefault();
    if (!event.repeat) form.requestSubmit(sendButton);
  } else {
    choose(key);
  }
});

// How much better one is, is asked once a side is chosen; with any other answer it is empty.
const strength = form.querySelector("fieldset.strength");
function askStrength() {
  const isAsked = form.querySelector("[value=left]:checked, [value=right]:checked") !== null;
  for (const radio of strength.querySelectorAll("input")) {
    radio.required = isAsked;
    radio.checked = isAsked && radio.checked;
  }
}
if (strength) {
  form.addEventListener("change", askStrength);
  askStrength();
}
