"use strict";
/* main.js - puts the parts together and listens. */

const element = (id) => document.getElementById(id);
const lastPosition = data.frames.length * phases.length - 1;

function draw() {
  drawGraph(element("graph"));
  element("phase").innerHTML = phaseWords();
  element("chain").innerHTML = chosenWords();
  drawTables(element("tables"));
  element("phase-name").textContent = phaseName();
  const position = state.frame * phases.length + state.phase;
  element("slider").value = position;
  element("slider").setAttribute("aria-valuetext", phaseName());
  for (const id of ["first", "back"]) element(id).disabled = position === 0;
  for (const id of ["next", "last"]) element(id).disabled = position === lastPosition;
  markCourse();
}

function go(position) {
  const there = Math.max(0, Math.min(lastPosition, position));
  state.frame = Math.floor(there / phases.length);
  state.phase = there % phases.length;
  draw();
}

const move = (by) => go(state.frame * phases.length + state.phase + by);

function choose(item) {
  state.chosen = item;
  draw();
}

function chooseNext(by) {
  const at = choices.findIndex((item) => same(item, state.chosen));
  choose(choices[(at + by + choices.length) % choices.length]);
}

function listen() {
  element("first").onclick = () => go(0);
  element("back").onclick = () => move(-1);
  element("next").onclick = () => move(1);
  element("last").onclick = () => go(lastPosition);
  element("slider").oninput = (event) => go(Number(event.target.value));
  element("units-by").onchange = (event) => { state.unitsBy = event.target.value; draw(); };
  element("edges-by").onchange = (event) => { state.edgesBy = event.target.value; draw(); };
  element("theme").onclick = () => {
    const dark = getComputedStyle(document.documentElement).getPropertyValue("--is-dark").trim() === "1";
    document.documentElement.dataset.theme = dark ? "light" : "dark";
  };
  element("graph").addEventListener("click", (event) => {
    const item = event.target.closest("[data-item]");
    if (item) choose(JSON.parse(item.dataset.item));
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.matches("select, summary")) return;
    const keys = {
      ArrowRight: () => move(1), ArrowLeft: () => move(-1), Home: () => go(0), End: () => go(lastPosition),
      ArrowDown: () => chooseNext(1), ArrowUp: () => chooseNext(-1),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  new ResizeObserver(() => drawGraph(element("graph"))).observe(element("picture"));
}

const gradientOf = (item) => Math.abs(weightOf(item.layer, item.to, item.from).gradient);

function begin() {
  const options = (quantities) => `<option value="auto">automatic</option>${Object.entries(quantities)
    .map(([name, q]) => `<option value="${name}">${q.title}</option>`).join("")}`;
  element("units-by").innerHTML = options(unitQuantities);
  element("edges-by").innerHTML = options(edgeQuantities);
  element("slider").max = lastPosition;
  element("subtitle").textContent = data.subtitle;
  document.title = `${data.title}: backpropagation under glass`;
  state.chosen = choices.filter((item) => item.kind === "weight" && item.layer === layerCount - 1)
    .reduce((most, item) => (gradientOf(item) > gradientOf(most) ? item : most));
  listen();
  drawCourse(element("course"));
  drawSample(element("sample"));
  drawSurvey(element("survey"));
  draw();
}

begin();
