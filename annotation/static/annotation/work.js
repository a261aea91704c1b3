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
  window.addEventListener(name, touch, { passive: true });
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

// Keys: a number answers the question that has focus, or else the first without an answer.
const CHOICES = { a: "left", b: "right", t: "tie", n: "both_bad" };

function currentQuestion() {
  const questions = [...form.querySelectorAll("fieldset")];
  const focused = questions.find((question) => question.contains(document.activeElement));
  return focused || questions.find((question) => !question.querySelector(":checked")) || questions.at(-1);
}

function choose(question, value) {
  const radio = question.querySelector(`input[value="${value}"]`);
  if (!radio) return;
  radio.checked = true;
  const questions = [...form.querySelectorAll("fieldset")];
  const next = questions.slice(questions.indexOf(question) + 1).find((other) => !other.querySelector(":checked"));
  (next ? next.querySelector("input") : radio).focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("summary, a, button, textarea")) return;
  const key = event.key.toLowerCase();
  if (key === "enter") {
    event.preventDefault();
    if (!event.repeat) form.requestSubmit(sendButton);
  } else if (/^[0-9]$/.test(key) || key in CHOICES) {
    choose(currentQuestion(), CHOICES[key] || key);
  }
});
