/* made by ttprep report: two strokes in step */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  if (!at("step")) return; // no joint in common: nothing was aligned
  const colours = ["#e0442a", "#2a7de0"], slider = at("step"), last = data.steps.length - 1;
  const sheets = data.strokes.map((s) => Object.assign(new Image(), { src: s.sheet }));
  let step = 0, timer = 0;

  const skeleton = (pen, points, colour, width, place) => {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = width;
    pen.lineCap = "round";
    for (const [a, b] of data.limbs) {
      if (!points[a] || !points[b]) continue; // what nobody saw is not drawn
      pen.beginPath();
      pen.moveTo(...place(points[a]));
      pen.lineTo(...place(points[b]));
      pen.stroke();
    }
    for (const point of points) {
      if (!point) continue;
      pen.beginPath();
      pen.arc(...place(point), 1.3 * width, 0, 7);
      pen.fill();
    }
  };

  // ---- the two clips ----
  const clip = (k) => {
    const stroke = data.strokes[k], canvas = at(`clip-${k}`), [w, h] = stroke.size;
    const zoom = Math.max(1, Math.round(420 / h));
    if (canvas.width !== w * zoom || canvas.height !== h * zoom) {
      canvas.width = w * zoom;
      canvas.height = h * zoom;
    }
    const moment = data.steps[step][k], tile = stroke.tile[moment], pen = canvas.getContext("2d");
    const x = (tile % stroke.columns) * w, y = Math.floor(tile / stroke.columns) * h;
    if (sheets[k].complete && sheets[k].naturalWidth) pen.drawImage(sheets[k], x, y, w, h, 0, 0, w * zoom, h * zoom);
    if (at("lines").checked) {
      skeleton(pen, stroke.joints[moment], colours[k], 2.5, ([px, py]) => [(px + 0.5) * zoom, (py + 0.5) * zoom]);
    }
    at(`at-${k}`).textContent = `frame ${stroke.frame[moment]}`;
    canvas.dataset.frame = stroke.frame[moment];
  };

  // ---- both skeletons ----
  const every = data.strokes.flatMap((s) => s.body.flat()).filter(Boolean);
  const range = (axis) => every.reduce(([low, high], p) => [Math.min(low, p[axis]), Math.max(high, p[axis])], [9, -9]);
  const [x0, x1] = range(0), [y0, y1] = range(1);
  const overlaid = () => {
    const canvas = at("both"), pen = canvas.getContext("2d"), edge = 24;
    const zoom = Math.min((canvas.width - 2 * edge) / (x1 - x0 || 1), (canvas.height - 2 * edge) / (y1 - y0 || 1));
    const place = ([x, y]) => [
      canvas.width / 2 + (x - (x0 + x1) / 2) * zoom, canvas.height / 2 + (y - (y0 + y1) / 2) * zoom,
    ];
    pen.clearRect(0, 0, canvas.width, canvas.height);
    for (const k of [1, 0]) skeleton(pen, data.strokes[k].body[data.steps[step][k]], colours[k], 4, place);
  };

  const draw = () => {
    clip(0);
    clip(1);
    overlaid();
    const x = data.steps[step][1];
    for (const line of document.querySelectorAll(".now")) {
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    slider.value = step;
    slider.setAttribute("aria-valuetext", `step ${step + 1} of ${last + 1}`);
    document.body.dataset.step = step;
  };
  const go = (to) => {
    step = Math.max(0, Math.min(last, to));
    draw();
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    at("play").textContent = "Play";
  };
  const play = () => {
    if (timer) return stop();
    if (step === last) step = 0;
    at("play").textContent = "Pause";
    const seconds = data.strokes[1].seconds / Number(at("speed").value);
    timer = setInterval(() => (step === last ? stop() : go(step + 1)), (1000 * seconds) / (last + 1));
    return undefined;
  };

  slider.addEventListener("input", () => { stop(); go(Number(slider.value)); });
  at("back").addEventListener("click", () => { stop(); go(step - 1); });
  at("forth").addEventListener("click", () => { stop(); go(step + 1); });
  at("play").addEventListener("click", play);
  at("speed").addEventListener("change", () => { if (timer) { stop(); play(); } });
  at("lines").addEventListener("change", draw);
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("select, input:not([type=range]), summary, a") || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in moves) { stop(); go(step + moves[event.key]); }
    else if (event.key === "Home") { stop(); go(0); }
    else if (event.key === "End") { stop(); go(last); }
    else if (event.key === " " && !event.target.matches("button")) play();
    else return;
    event.preventDefault();
  });
  sheets.forEach((sheet) => sheet.addEventListener("load", draw));
  draw();
})();
