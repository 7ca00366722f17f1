"use strict";
/* charts.js - what is not one step: the error over the steps, the sample as a picture, histograms over
 * many samples, the best and the worst of them, all numbers as tables. */

/* ---- pictures ---- */

function drawPicture(canvas, picture) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(picture.width, picture.height);
  const low = Math.min(...picture.pixels), high = Math.max(...picture.pixels);
  picture.pixels.forEach((value, i) => {
    const grey = high > low ? Math.round((255 * (value - low)) / (high - low)) : 0;
    image.data.set([grey, grey, grey, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

/* A canvas for each element that waits for a picture. */
function fillPictures(holder, pictures) {
  holder.querySelectorAll("canvas[data-picture]").forEach((canvas) =>
    drawPicture(canvas, pictures[Number(canvas.dataset.picture)]));
}

function drawSample(holder) {
  if (!data.picture) return;
  holder.hidden = false;
  holder.innerHTML = `<h2>The sample</h2><canvas class="sample" data-picture="0" role="img" aria-label="The picture that goes in"></canvas>
    <p>Row ${data.row} of ${escaped(data.source)}.</p>`;
  fillPictures(holder, [data.picture]);
}

/* ---- the error over the steps ---- */

function drawCourse(holder) {
  if (!data.errors || data.errors.length < 3) return;
  holder.hidden = false;
  const width = 640, height = 220, left = 74, right = 22, top = 14, bottom = 34;
  const logs = data.errors.filter(([, e]) => e > 0).map(([s, e]) => [s, Math.log10(e)]);
  const most = data.errors[data.errors.length - 1][0];
  const low = Math.min(...logs.map((p) => p[1])), high = Math.max(...logs.map((p) => p[1]));
  const spread = Math.max(high - low, 0.1);
  const x = (step) => left + ((width - left - right) * Math.log10(1 + step)) / Math.log10(1 + most);
  const y = (log) => top + ((height - top - bottom) * (high - log)) / spread;
  const path = logs.map(([s, e], i) => `${i ? "L" : "M"}${x(s).toFixed(1)} ${y(e).toFixed(1)}`).join("");
  const ticks = [];
  for (let t = 0; 10 ** t <= most; ++t) ticks.push(10 ** t);
  const marks = [high, (high + low) / 2, low];
  holder.innerHTML = `<h2>The error over the steps</h2>
    <svg viewBox="0 0 ${width} ${height}" class="chart" role="img" aria-label="The error falls from ${digits(data.errors[0][1])} to ${digits(data.errors[data.errors.length - 1][1])} in ${most} steps">
    ${ticks.map((t) => `<line class="grid" x1="${x(t)}" x2="${x(t)}" y1="${top}" y2="${height - bottom}"/><text x="${x(t)}" y="${height - 14}" class="tick">${t}</text>`).join("")}
    ${marks.map((m) => `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(m)}" y2="${y(m)}"/><text x="${left - 8}" y="${y(m) + 4}" class="tick end">${digits(10 ** m, 3)}</text>`).join("")}
    <path d="${path}" class="course"/><circle id="course-mark" r="5"/></svg>
    <p class="dim">Both axes are logarithmic. After the last step the error is ${math(mnumber(data.errors[data.errors.length - 1][1]))}.</p>`;
  markCourse = () => {
    const circle = document.getElementById("course-mark");
    circle.setAttribute("cx", x(frame().step - 1));
    circle.setAttribute("cy", y(Math.log10(frame().error)));
  };
  markCourse();
}
let markCourse = () => {};

/* ---- histograms ---- */

/* The bins that hold something, put together until they are few enough to be told apart. */
function binsOf(histogram) {
  const MOST = 48, MARGIN = 4;
  let bins = histogram.bins;
  const first = () => bins.findIndex((n) => n > 0);
  const end = () => bins.length - [...bins].reverse().findIndex((n) => n > 0);
  while (end() - first() > MOST)
    bins = Array.from({ length: bins.length / 2 }, (_, i) => bins[2 * i] + bins[2 * i + 1]);
  const few = end() - first() < 2 * MARGIN ? MARGIN : 0;
  return { bins, from: Math.max(0, first() - few), to: Math.min(bins.length, end() + few) };
}

function drawHistogram(histogram, title, powers) {
  const width = 260, height = 120, bottom = 30, top = 8;
  if (!histogram.count) return `<figure class="histogram"><figcaption>${title}</figcaption><p class="dim">nothing to see</p></figure>`;
  const { bins, from, to } = binsOf(histogram);
  const tall = (n) => Math.log1p(n);
  const most = tall(Math.max(...bins.slice(from, to)));
  const step = width / (to - from);
  const edge = (i) => ((i - bins.length / 2) / (bins.length / 2)) * histogram.reach;
  const name = (value) => (powers ? `10<tspan class="power" dy="-4">${digits(Number(value.toFixed(1)), 4)}</tspan>` : digits(value, 3));
  const bars = bins.slice(from, to).map((n, i) => {
    const h = ((height - bottom - top) * tall(n)) / most;
    const sign = edge(from + i) < 0 && !powers ? "negative" : "positive";
    return n ? `<rect class="bar ${sign}" x="${(i * step).toFixed(1)}" y="${(height - bottom - h).toFixed(1)}" width="${Math.max(1, step - 0.7).toFixed(1)}" height="${h.toFixed(1)}"><title>${n}</title></rect>` : "";
  }).join("");
  const zero = edge(from) < 0 && edge(to) > 0 && !powers ? `<line class="zero" x1="${-edge(from) / (edge(to) - edge(from)) * width}" x2="${-edge(from) / (edge(to) - edge(from)) * width}" y1="${top}" y2="${height - bottom + 4}"/>` : "";
  const note = [];
  if (histogram.zeros) note.push(`${Math.round((100 * histogram.zeros) / (histogram.count + (powers ? histogram.zeros : 0)))} % are 0`);
  if (histogram.not_finite) note.push(`${histogram.not_finite} are not finite`);
  const middle = powers ? `mean 10<sup>${digits(Number(histogram.mean.toFixed(2)), 3)}</sup>`
    : `mean ${digits(histogram.mean, 3)}, root mean square ${digits(histogram.rms, 3)}`;
  return `<figure class="histogram"><figcaption>${title}</figcaption>
    <svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)} from ${digits(histogram.min, 4)} to ${digits(histogram.max, 4)}">
    ${bars}${zero}<line class="axis" x1="0" x2="${width}" y1="${height - bottom}" y2="${height - bottom}"/>
    <text x="0" y="${height - 10}" class="tick start">${name(edge(from))}</text><text x="${width}" y="${height - 10}" class="tick end">${name(edge(to))}</text></svg>
    <p class="dim">${[middle, ...note].join(", ")}</p></figure>`;
}

function layerSurvey(layer, l) {
  const notes = [];
  const title = `${layerTitle(l)[0].toUpperCase()}${layerTitle(l).slice(1)}`;
  if (layer.dead) notes.push(`${layer.dead} of ${layer.units} units are dead: their slope is 0 for every sample, and they learn nothing.`);
  if (layer.saturated) notes.push(`${layer.saturated} of ${layer.units} units are saturated: their slope is next to 0 for nearly every sample, and they hardly learn.`);
  return `<h3>${title} <span class="dim">${layer.units} × ${escaped(data.architecture[l].activation)}</span></h3>
    ${notes.map((note) => `<p class="note">${note}</p>`).join("")}
    <div class="histograms">${drawHistogram(layer.activations, "activations")}${drawHistogram(layer.deltas, "deltas")}
    ${drawHistogram(layer.gradient_norms, "length of the gradient, by sample", true)}${drawHistogram(layer.weights, "weights")}</div>`;
}

function exampleCard(example, pictures) {
  let picture = "";
  if (example.picture) {
    pictures.push(example.picture);
    picture = `<canvas data-picture="${pictures.length - 1}" role="img" aria-label="Row ${example.row}"></canvas>`;
  }
  return `<li class="example ${example.right === null ? "" : example.right ? "right" : "wrong"}">${picture}<span>row ${example.row}</span>
    <span>said ${escaped(example.said)}</span><span>is ${escaped(example.truth)}</span>
    <span>E = ${digits(example.error, 4)}</span></li>`;
}

function drawSurvey(holder) {
  const survey = data.survey;
  if (!survey) return;
  holder.hidden = false;
  const pictures = [];
  const group = (title, list) => (list && list.length
    ? `<h3>${title}</h3><ul class="examples">${list.map((e) => exampleCard(e, pictures)).join("")}</ul>` : "");
  const about = survey.rows > 1
    ? `<p>${survey.rows} samples, each with an error and a gradient of its own; mean error ${math(mnumber(survey.error))}. The bars' heights are logarithmic.</p>` : "<p>Of this one sample. The bars' heights are logarithmic.</p>";
  holder.innerHTML = `<h2>${survey.rows > 1 ? "Over many samples" : "The layers as a whole"}</h2>${about}
    ${survey.layers.map(layerSurvey).join("")}${group("The largest errors", survey.worst)}${group("The smallest errors", survey.best)}`;
  fillPictures(holder, pictures);
}

/* ---- tables ---- */

function table(title, heads, rows) {
  return `<h3>${title}</h3><div class="scroll"><table class="numbers"><thead><tr>${heads.map((h) => `<th>${h}</th>`).join("")}</tr></thead>
    <tbody>${rows.map((row) => `<tr>${row.map((cell, i) => (i ? `<td>${digits(cell)}</td>` : `<th>${escaped(cell)}</th>`)).join("")}</tr>`).join("")}</tbody></table></div>`;
}

function drawTables(holder) {
  const parts = [];
  const d = (above, below) => `∂${above}/∂${below}`;
  for (let l = 0; l < layerCount; ++l) {
    const layer = frame().layers[l];
    const title = layerTitle(l);
    parts.push(table(`Units of ${title}`, ["unit", "net", "activation", "slope", "effect", "delta"],
      shown[l + 1].map((_, k) => [unitName(l + 1, k), layer.net[k], layer.activation[k], layer.slope[k], layer.effect[k], layer.delta[k]])));
    if (normOf(l))
      parts.push(table(`${escaped(data.architecture[l].norm)} of ${title}`,
        ["unit", "mean", "variance", "x̂", "y", d("E", "y"), "own", "through mean", "through variance"],
        shown[l + 1].map((_, k) => [`norm ${unitName(l + 1, k)}`, layer.mean[k], layer.variance[k], layer.normalised[k],
          layer.y[k], layer.dE_dy[k], layer.own[k], layer.through_mean[k], layer.through_variance[k]])));
    if (isResidual(l))
      parts.push(table(`Outputs of ${title}`, ["unit", "activation", "input", "output"],
        shown[l + 1].map((_, k) => [`out ${unitName(l + 1, k)}`, layer.activation[k], addedTo(l, k), layer.output[k]])));
    const rows = [];
    for (let to = 0; to < shown[l + 1].length; ++to) {
      for (let from = 0; from < shown[l].length; ++from) {
        const w = weightOf(l, to, from);
        rows.push([weightName(l, to, from), w.value, w.dE_da, w.da_dnet, w.dnet_dw, w.gradient, w.numerical, w.updated]);
      }
      const b = biasOf(l, to);
      if (b) rows.push([`bias→${unitName(l + 1, to)}`, b.value, b.dE_da, b.da_dnet, 1, b.gradient, b.numerical, b.updated]);
      for (const [name, p, last] of normOf(l) ? [["gain", gainOf(l, to), layer.normalised[to]], ["shift", shiftOf(l, to), 1]] : [])
        rows.push([`${name}→${unitName(l + 1, to)}`, p.value, layer.effect[to], layer.slope[to], last, p.gradient, p.numerical, p.updated]);
    }
    parts.push(table(`Weights of ${title}`, ["weight", "value", d("E", "a"), d("a", "net"), d("net", "w"), d("E", "w"), "difference", "after"], rows));
  }
  holder.innerHTML = parts.join("");
}
