"use strict";
// The keyboard and the search field for the graph, whose own script (of inferno) has `zoom`, `unzoom`, `search` and `reset_search`.
(() => {
  const graph = document.getElementById("graph");
  const state = document.getElementById("state");
  const text = document.getElementById("text");
  const svgElement = graph.querySelector("svg");
  if (!svgElement) return;
  if (typeof searchbtn === "undefined" || !searchbtn) init();
  const groups = [...document.getElementById("frames").children];
  const number = (group, name) => Number(group.querySelector("rect").getAttribute(name));
  const places = groups.map((group) => ({
    group, x: number(group, "fg:x"), width: number(group, "fg:w"), y: number(group, "y"),
  }));
  const height = Math.min(...places.map(({ y }) => y).flatMap((y, _, all) => all.map((other) => Math.abs(other - y)).filter((d) => d > 0)).slice(0, 1000));
  // The frame with the greatest y is the root: frames stand on their callers.
  const root = places.reduce((a, b) => (b.y > a.y ? b : a));
  let at = root;

  const show = (place) => {
    at.group.classList.remove("at");
    at = place;
    at.group.classList.add("at");
    state.textContent = at.group.querySelector("title").textContent;
  };
  const visible = ({ group }) => !group.classList.contains("hide");
  const inside = (a, b) => a.x >= b.x && a.x + a.width <= b.x + b.width;
  const level = (y) => places.filter((place) => place.y === y && visible(place));
  const step = {
    ArrowUp: () => level(at.y - height).filter((place) => inside(place, at)).sort((a, b) => b.width - a.width)[0],
    ArrowDown: () => level(at.y + height).find((place) => inside(at, place)),
    ArrowRight: () => level(at.y).filter((place) => place.x > at.x).sort((a, b) => a.x - b.x)[0],
    ArrowLeft: () => level(at.y).filter((place) => place.x < at.x).sort((a, b) => b.x - a.x)[0],
    Home: () => root,
  };
  const whole = () => {
    unzoom();
    text.value = "";
    mark("");
    show(root);
  };
  const mark = (term) => {
    reset_search();
    searching = 0;
    state.textContent = "";
    if (term === "") return;
    search(term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    state.textContent = searching ? `${term}: ${matchedtxt.textContent.replace("Matched: ", "")} of what is shown` : `${term}: no function`;
  };

  graph.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step[event.key]) {
      const next = step[event.key]();
      if (next) show(next);
    } else if (event.key === "Enter" || event.key === " ") {
      if (at.group.classList.contains("parent")) unzoom();
      zoom(at.group);
      show(at);
    } else return;
    event.preventDefault();
  });
  svgElement.addEventListener("mouseover", (event) => {
    const group = event.target.closest("#frames > g");
    if (group) state.textContent = group.querySelector("title").textContent;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") whole();
    else if (event.key === "/" && event.target !== text) {
      text.focus();
      event.preventDefault();
    }
  });
  document.getElementById("find").addEventListener("submit", (event) => {
    event.preventDefault();
    mark(text.value);
  });
  text.addEventListener("input", () => mark(text.value));
  document.getElementById("whole").addEventListener("click", whole);
  document.querySelector("table").addEventListener("click", (event) => {
    if (event.target.nodeName !== "BUTTON") return;
    text.value = event.target.textContent;
    mark(text.value);
    graph.scrollIntoView();
  });
  document.documentElement.dataset.opened = "";
})();
