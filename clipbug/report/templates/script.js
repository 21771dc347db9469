"use strict";
// Only for the filters: without scripts the page shows every question.
(function () {
  const byId = (id) => document.getElementById(id);
  const cards = Array.from(document.querySelectorAll(".q"));
  const texts = [];
  const controls = ["search", "verdict", "type", "app", "sure"].map(byId);

  function textOf(index) {
    if (texts[index] === undefined) texts[index] = cards[index].textContent.toLowerCase();
    return texts[index];
  }

  function isWanted(card, index, words) {
    const data = card.dataset;
    return (!byId("verdict").value || data.v === byId("verdict").value) &&
      (!byId("type").value || data.t === byId("type").value) &&
      (!byId("app").value || data.a === byId("app").value) &&
      Number(data.p) <= Number(byId("sure").value) &&
      words.every((word) => textOf(index).includes(word));
  }

  function filter() {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    cards.forEach((card, index) => {
      const wanted = isWanted(card, index, words);
      if (card.hidden === wanted) card.hidden = !wanted;
      shown += wanted;
    });
    byId("sure-out").value = byId("sure").value + " %";
    byId("count").textContent = shown === cards.length ? `${shown} questions` : `${shown} of ${cards.length} questions`;
  }

  let waiting = 0;
  function later() {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 80);
  }

  for (const control of controls) {
    control.addEventListener("input", later);
    control.addEventListener("change", later);
  }
  byId("tools").addEventListener("submit", (event) => event.preventDefault());
  byId("size").addEventListener("input", () => {
    document.documentElement.style.setProperty("--frame", byId("size").value + "px");
  });
  byId("tools").hidden = false;
  filter();
})();
