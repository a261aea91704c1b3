// A draft of the form marked with data-draft, kept in this browser until it is sent. The attribute's value is a secret
// of the form, so nobody else's page comes by the draft. Without this file, or with storage blocked, all works the same.
"use strict";

{
  const PREFIX = "prefloop-draft:";
  const DAYS_KEPT = 7;

  // Hidden fields belong to the page, but for those marked as part of the draft.
  function fieldsOf(form) {
    const isKept = (field) => field.type !== "hidden" || "inDraft" in field.dataset;
    return [...form.elements].filter((field) => field.name && isKept(field) && !["submit", "button", "password", "file"].includes(field.type));
  }

  function isTicked(field) {
    return field.type === "radio" || field.type === "checkbox";
  }

  // [name, value] of what is chosen or typed, in the form's order.
  function readAnswers(form) {
    const filled = fieldsOf(form).filter((field) => (isTicked(field) ? field.checked : field.value !== ""));
    return filled.map((field) => [field.name, field.value]);
  }

  function writeAnswers(form, answers) {
    for (const field of fieldsOf(form)) {
      const own = answers.filter(([name]) => name === field.name).map(([, value]) => value);
      if (isTicked(field)) {
        if (own.length) field.checked = own.includes(field.value);
      } else if (own.length) {
        field.value = own[0];
      }
    }
  }

  // Drafts that were sent, or left for a week; not the page's own, as its sending may have failed on the way.
  function sweep(storage, ownKey) {
    const oldest = Date.now() - DAYS_KEPT * 24 * 3600 * 1000;
    for (const key of Object.keys(storage)) {
      if (!key.startsWith(PREFIX) || key === ownKey) continue;
      const draft = JSON.parse(storage.getItem(key));
      if (draft.isSent || draft.savedAt < oldest) storage.removeItem(key);
    }
  }

  function keepDraft(form, storage, key) {
    const status = form.querySelector("[data-draft-status]");
    const hasAnswer = () => readAnswers(form).some(([name]) => form.elements[name].type !== "hidden");
    let isSent = false;
    let saved = "";

    function save() {
      const answers = readAnswers(form);
      const text = JSON.stringify([answers, isSent]);
      if (text === saved || !answers.length) return;
      try {
        storage.setItem(key, JSON.stringify({ answers, isSent, savedAt: Date.now() }));
      } catch {
        return; // full: the page must go on without
      }
      saved = text;
      if (hasAnswer() && !status.textContent) status.textContent = status.dataset.kept;
    }

    const draft = JSON.parse(storage.getItem(key));
    if (draft) {
      writeAnswers(form, draft.answers);
      if (hasAnswer()) status.textContent = status.dataset.restored;
    }
    function saveAs(sent) {
      isSent = sent;
      save();
    }

    for (const name of ["input", "change", "keyup"]) form.addEventListener(name, () => saveAs(false));
    document.addEventListener("visibilitychange", save);
    // Sent or given back, it is of no more use. The next page sweeps it.
    for (const other of document.forms) {
      if (other === form || "endsDraft" in other.dataset) other.addEventListener("submit", () => saveAs(true));
    }
  }

  let storage = null;
  try {
    storage = window.localStorage;
  } catch {
    // blocked
  }
  if (storage) {
    const form = document.querySelector("form[data-draft]");
    const key = form && PREFIX + form.dataset.draft;
    sweep(storage, key);
    if (form) keepDraft(form, storage, key);
  }
}
