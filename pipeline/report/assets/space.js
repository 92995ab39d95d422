/* made by ttprep report: the skeleton in space, from three sides and turned by hand */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("space-data").textContent);
  const nonce = document.currentScript.nonce, picture = document.getElementById("picture");
  const canvases = [...document.querySelectorAll("#space canvas")], free = canvases.find((c) => c.dataset.view === "free");
  const START = [35, 15], SHOWN = 1.7, LOW = 0.45, FLOOR = -0.3; // degrees; m: across a view, of it below the hips, its floor
  const turned = { front: [0, 0], side: [90, 0], back: [180, 0], free: [...START] };
  const parts = new Map();
  let frame = 0;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  window.ttprepSpace = (k, value) => {
    const view = new DataView(bytes(value.joints).buffer), joints = new Float32Array(view.byteLength / 2);
    for (let i = 0; i < joints.length; i++) joints[i] = view.getInt16(2 * i, true) / data.steps;
    parts.set(k, { joints, scores: bytes(value.scores) });
    draw();
  };
  const at = (i) => {
    const k = Math.floor(i / data.rows);
    if (k >= data.scripts) return null;
    if (!parts.has(k)) {
      parts.set(k, null);
      const script = document.createElement("script");
      script.nonce = nonce;
      script.src = `${data.stem}-space-${k}.js`;
      document.head.append(script);
    }
    const found = parts.get(k);
    if (!found) return null;
    const n = data.sides.length, row = i - k * data.rows;
    return { joints: found.joints.subarray(3 * n * row, 3 * n * (row + 1)), scores: found.scores.subarray(n * row, n * (row + 1)) };
  };

  // about the upright, then tipped towards the eye: x right, y up, z towards the eye
  const place = ([x, y, z], [about, tip]) => {
    const a = (about * Math.PI) / 180, b = (tip * Math.PI) / 180;
    const across = x * Math.cos(a) - z * Math.sin(a), deep = x * Math.sin(a) + z * Math.cos(a);
    return [across, y * Math.cos(b) - deep * Math.sin(b), y * Math.sin(b) + deep * Math.cos(b)];
  };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const paint = (canvas, found, ink) => {
    const turn = turned[canvas.dataset.view], pen = canvas.getContext("2d");
    const sharp = Math.min(window.devicePixelRatio || 1, 3), side = Math.max(1, Math.round(canvas.clientWidth * sharp));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    pen.clearRect(0, 0, side, side);
    const scale = side / SHOWN, to = ([x, y]) => [side / 2 + x * scale, side - (y + LOW) * scale];
    const line = (a, b) => {
      pen.beginPath();
      pen.moveTo(...to(a));
      pen.lineTo(...to(b));
      pen.stroke();
    };
    pen.lineWidth = sharp;
    pen.lineCap = "round";
    pen.strokeStyle = ink.line;
    for (let m = -1; m <= 1; m += 0.5) { // below the hips, to see how the view is turned
      line(place([m, FLOOR, -1], turn), place([m, FLOOR, 1], turn));
      line(place([-1, FLOOR, m], turn), place([1, FLOOR, m], turn));
    }
    if (!found) return;
    const points = data.sides.map((_, j) => place(found.joints.slice(3 * j, 3 * j + 3), turn));
    const seen = (j) => found.scores[j] > 127;
    const hue = (...of) => ink[of.every((j) => data.sides[j] === data.sides[of[0]]) ? data.sides[of[0]] || "middle" : "middle"];
    // what is farther from the eye first
    const order = data.limbs.map(([a, b]) => [points[a][2] + points[b][2], a, b]).sort((p, q) => p[0] - q[0]);
    for (const [, a, b] of order) {
      pen.globalAlpha = seen(a) && seen(b) ? 1 : 0.35;
      pen.lineWidth = 4 * sharp;
      pen.strokeStyle = hue(a, b);
      line(points[a], points[b]);
    }
    points.forEach((point, j) => {
      pen.globalAlpha = seen(j) ? 1 : 0.35;
      pen.fillStyle = hue(j);
      pen.beginPath();
      pen.arc(...to(point), (j < 5 ? 2.5 : 4) * sharp, 0, 2 * Math.PI);
      pen.fill();
    });
    pen.globalAlpha = 1;
  };
  const draw = () => {
    const found = at(frame), somebody = found && found.joints.some((v) => v !== 0);
    const ink = { line: colour("--line"), left: colour("--left"), right: colour("--right"), middle: colour("--ink") };
    for (const canvas of canvases) paint(canvas, somebody ? found : null, ink);
    document.getElementById("space-nobody").hidden = !found || Boolean(somebody);
    free.setAttribute("aria-valuenow", Math.round(turned.free[0]));
    document.getElementById("space").dataset.drawn = found ? frame : "";
  };

  // ---- by hand ----
  const turn = (about, tip) => {
    turned.free = [((turned.free[0] + about + 540) % 360) - 180, Math.min(90, Math.max(-90, turned.free[1] + tip))];
    draw();
  };
  free.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    free.focus();
    free.setPointerCapture(event.pointerId);
  });
  free.addEventListener("pointermove", (event) => {
    if (free.hasPointerCapture(event.pointerId)) turn((-180 * event.movementX) / free.clientWidth, (180 * event.movementY) / free.clientWidth);
  });
  free.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [5, 0], ArrowRight: [-5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // the film stays where it is
    turn(...by);
  });
  document.getElementById("space-reset").addEventListener("click", () => {
    turned.free = [...START];
    draw();
  });

  // ---- the playhead's frame is what the picture shows ----
  const follow = () => {
    const shown = Number(picture.dataset.drawn ?? 0);
    if (shown !== frame) {
      frame = shown;
      draw();
    }
  };
  new MutationObserver(follow).observe(picture, { attributes: true, attributeFilter: ["data-drawn"] });
  new ResizeObserver(draw).observe(free);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  follow();
  draw();
})();
