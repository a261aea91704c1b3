// The best and the worst are two texts: whichever is chosen last stands.
"use strict";

document.querySelector(".set-cards").addEventListener("change", (event) => {
  const card = event.target.closest(".set-card");
  for (const radio of card.querySelectorAll("input")) radio.checked = radio === event.target;
});
