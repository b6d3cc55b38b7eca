// Reloads when a file has changed, keeps the place one was reading, and shows a choice as soon as it is made.
"use strict";

const number = Number(document.body.dataset.number);
const place = "preview-scroll";

async function follow() {
  try {
    const answer = await fetch(`/changed?after=${number}`);
    if ((await answer.json()).number !== number) {
      sessionStorage.setItem(place, String(window.scrollY));
      window.location.reload();
      return;
    }
  } catch {
    await new Promise((again) => setTimeout(again, 1000));
  }
  follow();
}

for (const choice of document.querySelectorAll(".choices select")) {
  choice.addEventListener("change", () => document.querySelector(".choices button").click());
}
document.documentElement.classList.add("scripted");
window.scrollTo(0, Number(sessionStorage.getItem(place)));
sessionStorage.removeItem(place);
follow();
