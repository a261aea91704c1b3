// A set that is ranked: buttons move a card, and each place goes to one text unless texts may share it.
"use strict";

const list = document.querySelector(".set-cards");
const cards = [...list.querySelectorAll("[data-card]")];
const announcement = document.querySelector("[data-announce]");
const maySharePlaces = "ties" in document.getElementById("main").dataset;

// 0 for none.
function placeOf(card) {
  const chosen = card.querySelector(":checked");
  return chosen ? Number(chosen.value) : 0;
}

function setPlace(card, place) {
  for (const radio of card.querySelectorAll("input")) radio.checked = Number(radio.value) === place;
}

const places = new Map();
function rememberPlaces() {
  for (const card of cards) places.set(card, placeOf(card));
}

// Who had the place that a card gets takes the place that the card had, or none.
list.addEventListener("change", (event) => {
  const card = event.target.closest("[data-card]");
  const place = placeOf(card);
  if (!maySharePlaces) {
    const other = cards.find((each) => each !== card && placeOf(each) === place);
    if (other) setPlace(other, places.get(card));
  }
  rememberPlaces();
});

function freePlaces() {
  const taken = new Set(cards.map(placeOf));
  return cards.map((_, index) => index + 1).filter((place) => !taken.has(place));
}

function nextPlace(card, step) {
  const place = placeOf(card);
  if (place === 0) return freePlaces().at(step < 0 ? 0 : -1);
  return Math.min(cards.length, Math.max(1, place + step));
}

// Cards stand at their places; those without one keep their order in what is left.
function lineUp() {
  const lined = new Array(cards.length).fill(null);
  const inOrder = [...list.children];
  const placed = inOrder.filter(placeOf).sort((one, other) => placeOf(one) - placeOf(other));
  for (const card of placed) {
    const spot = lined.findIndex((held, index) => held === null && index >= placeOf(card) - 1);
    lined[spot < 0 ? lined.indexOf(null) : spot] = card;
  }
  for (const card of inOrder.filter((each) => !placeOf(each))) lined[lined.indexOf(null)] = card;
  list.append(...lined);
}

function move(card, button) {
  const place = nextPlace(card, Number(button.dataset.step));
  const radio = card.querySelector(`input[value="${place}"]`);
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  lineUp();
  button.focus();
  announcement.textContent = `${card.dataset.card}: ${radio.parentElement.textContent.trim()}`;
}

for (const card of cards) {
  card.querySelector(".moves").hidden = false;
  for (const button of card.querySelectorAll(".move")) button.addEventListener("click", () => move(card, button));
}
rememberPlaces();
