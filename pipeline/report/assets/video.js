/* made by ttprep report: film, layers and time lines of one video */
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const film = data.film, video = at("film"), canvas = at("picture"), pen = canvas.getContext("2d");
  const tracks = at("tracks"), nonce = document.currentScript.nonce;
  const last = data.n - 1;
  const time = (i) => (data.times ? data.times[i] : i / data.fps); // s from the first frame
  const inFilm = film ? film.frames : 0;
  let frame = 0; // where the playhead is
  let shown = 0; // whose picture the film has at hand: while it seeks, not yet the playhead's
  let target = 0, wanted = -1; // sought just now, and meanwhile

  const nearest = (seconds) => {
    if (!data.times) return Math.min(last, Math.max(0, Math.round(seconds * data.fps)));
    let low = 0, high = last;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (data.times[middle] <= seconds + 1e-4) low = middle;
      else high = middle - 1;
    }
    return low < last && data.times[low + 1] - seconds < seconds - data.times[low] ? low + 1 : low;
  };

  // ---- what is drawn over the film: loaded 2000 frames at a time ----
  const overlays = new Map();
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const positions = (text) => {
    const view = new DataView(bytes(text).buffer), out = new Float32Array(view.byteLength / 2);
    for (let i = 0; i < out.length; i++) out[i] = view.getInt16(2 * i, true) / data.overlay.steps;
    return out;
  };
  window.ttprepOverlay = (k, value) => {
    overlays.set(k, {
      centre: value.centre ? positions(value.centre) : null,
      joints: value.joints ? positions(value.joints) : null,
      scores: value.scores ? bytes(value.scores) : null,
    });
    draw();
  };
  const overlay = (i) => {
    const k = Math.floor(i / data.overlay.rows);
    if (k >= data.overlay.scripts) return null;
    if (!overlays.has(k)) {
      overlays.set(k, null);
      const script = document.createElement("script");
      script.nonce = nonce;
      script.src = `${data.overlay.stem}-${k}.js`;
      document.head.append(script);
    }
    const found = overlays.get(k);
    return found ? { ...found, row: i - k * data.overlay.rows } : null;
  };

  // ---- the picture ----
  const layers = Object.fromEntries([...document.querySelectorAll("[data-layer]")].map((box) => [box.dataset.layer, box]));
  const on = (name) => layers[name] && layers[name].checked && !layers[name].disabled;
  const [width, height] = data.tile;
  const fit = () => {
    const box = at("stage");
    box.style.aspectRatio = `${width} / ${height}`;
    box.style.setProperty("--shape", width / height);
    if (film && video) {
      video.style.width = `${(100 * film.size[0]) / width}%`;
      video.style.height = `${(100 * film.size[1]) / height}%`;
    }
    const sharp = Math.min(window.devicePixelRatio || 1, 3);
    canvas.width = Math.max(1, Math.round(box.clientWidth * sharp));
    canvas.height = Math.max(1, Math.round(box.clientHeight * sharp));
    draw();
  };
  const tile = (name, mode, light) => {
    const i = film.tiles.indexOf(name);
    if (i < 0) return;
    pen.globalCompositeOperation = mode;
    pen.globalAlpha = light;
    pen.drawImage(video, 0, i * film.pitch, width, height, 0, 0, canvas.width, canvas.height);
  };
  const draw = () => {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.globalCompositeOperation = "source-over";
    pen.globalAlpha = 1;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    const i = frame < inFilm ? shown : frame;
    if (i < inFilm && video.readyState >= 2) {
      if (on("frame")) tile("frame", "source-over", on("flow") && !on("mask") ? 0.55 : 1);
      if (on("mask")) tile("mask", on("frame") ? "multiply" : "source-over", 1);
      if (on("flow")) tile("flow", "lighter", 1);
    }
    pen.globalCompositeOperation = "source-over";
    pen.globalAlpha = 1;
    const scale = canvas.width / width;
    pen.setTransform(scale, 0, 0, scale, -data.at[0] * scale, -data.at[1] * scale);
    const over = overlay(i);
    if (over) {
      if (on("pose") && over.joints) skeleton(over, scale);
      if (on("roi") && over.centre) box(over, scale);
    }
    if (on("flow") && film) wheel();
    canvas.dataset.drawn = i;
  };
  const box = (over, scale) => {
    const x = over.centre[2 * over.row], y = over.centre[2 * over.row + 1], [w, h] = data.crop;
    pen.strokeStyle = "#ff9600";
    pen.lineWidth = 2.5 / scale;
    pen.strokeRect(x - w / 2, y - h / 2, w, h);
    const arm = 9 / scale;
    pen.beginPath();
    pen.moveTo(x - arm, y);
    pen.lineTo(x + arm, y);
    pen.moveTo(x, y - arm);
    pen.lineTo(x, y + arm);
    pen.stroke();
  };
  const skeleton = (over, scale) => {
    const p = over.joints, s = over.scores, from = over.row * 26, score = over.row * 14;
    if (!s[score]) return;
    const sure = (j) => s[score + 1 + j] > data.overlay.sure * 255;
    pen.lineWidth = 2.5 / scale;
    pen.strokeStyle = "#50ff50";
    for (const [a, b] of data.overlay.limbs) {
      if (!sure(a) || !sure(b)) continue;
      pen.beginPath();
      pen.moveTo(p[from + 2 * a], p[from + 2 * a + 1]);
      pen.lineTo(p[from + 2 * b], p[from + 2 * b + 1]);
      pen.stroke();
    }
    pen.fillStyle = "#ff3c3c";
    for (let j = 0; j < 13; j++) {
      if (!sure(j)) continue;
      pen.beginPath();
      pen.arc(p[from + 2 * j], p[from + 2 * j + 1], 3.2 / scale, 0, 2 * Math.PI);
      pen.fill();
    }
  };
  const wheel = () => {
    if (!pen.createConicGradient) return; // Safari before 16.1
    const radius = 34 * (window.devicePixelRatio || 1), x = canvas.width - radius - 8, y = canvas.height - radius - 8;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    const hue = pen.createConicGradient(0, x, y);
    for (let i = 0; i <= 12; i++) hue.addColorStop(i / 12, `hsl(${i * 30} 100% 50%)`);
    pen.fillStyle = hue;
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.fill();
    const dark = pen.createRadialGradient(x, y, 0, x, y, radius);
    dark.addColorStop(0, "rgb(0 0 0 / 1)");
    dark.addColorStop(1, "rgb(0 0 0 / 0)");
    pen.fillStyle = dark;
    pen.fill();
    pen.fillStyle = "#fff";
    pen.textAlign = "right";
    pen.font = `${12 * (window.devicePixelRatio || 1)}px sans-serif`;
    pen.fillText(`rim ${film.largest} px`, x - radius - 6, canvas.height - 12);
  };

  // ---- seeking and playing ----
  const middle = (i) => {
    const end = i + 1 < inFilm ? time(i + 1) : time(i) + 1 / data.fps;
    return (time(i) + end) / 2;
  };
  const moved = () => {
    at("playhead").style.left = `${(100 * (frame + 0.5)) / data.n}%`;
    const text = `frame ${frame} of ${data.n}, ${(data.start + time(frame)).toFixed(3)} s`;
    at("now").textContent = text;
    tracks.setAttribute("aria-valuenow", frame);
    tracks.setAttribute("aria-valuetext", text);
    for (const lane of data.lanes) {
      const i = Math.min(Math.floor(frame / lane.step), lane.high.length - 1);
      const spot = document.querySelector(`[data-value="${lane.key}"]`);
      spot.textContent = lane.high.length && frame < lane.high.length * lane.step ? `${lane.high[i].toFixed(lane.digits)} ${lane.unit}` : "–";
    }
    const view = at("window"), x = ((frame + 0.5) / data.n) * tracks.clientWidth;
    if (x < view.scrollLeft || x > view.scrollLeft + view.clientWidth) view.scrollLeft = x - view.clientWidth / 2;
  };
  const seek = (i) => {
    frame = Math.min(last, Math.max(0, i));
    moved();
    if (frame >= inFilm || !video) return draw();
    if (video.seeking) wanted = frame; // the decoder is busy; the newest wish counts when it is done
    else aim(frame);
  };
  const aim = (i) => {
    target = i;
    video.currentTime = middle(i);
  };
  const step = (by) => {
    if (video) video.pause();
    seek(frame + by);
  };
  const toggle = () => {
    if (!video || !inFilm) return;
    if (video.paused) {
      if (frame >= inFilm - 1) aim(0);
      video.play();
    } else video.pause();
  };
  if (video) {
    video.addEventListener("seeked", () => {
      shown = target;
      draw();
      if (wanted >= 0) {
        aim(wanted);
        wanted = -1;
      }
    });
    video.addEventListener("loadeddata", draw);
    const unplayable = () => (at("unplayable").hidden = !video.error);
    video.addEventListener("error", unplayable);
    unplayable(); // it may have failed before this script ran
    const follow = (seconds) => {
      if (!video.paused || video.ended) {
        frame = shown = Math.min(nearest(seconds), inFilm - 1);
        moved();
      }
      if (!video.seeking) draw();
    };
    if ("requestVideoFrameCallback" in video) {
      const presented = (_, about) => {
        follow(about.mediaTime);
        video.requestVideoFrameCallback(presented);
      };
      video.requestVideoFrameCallback(presented);
    } else {
      const tick = () => {
        if (!video.paused) follow(Math.max(0, video.currentTime - 0.5 / data.fps));
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    }
    const state = () => (at("play").textContent = video.paused ? "Play" : "Pause");
    for (const event of ["play", "pause", "ended"]) video.addEventListener(event, state);
    at("speed").addEventListener("change", (event) => (video.playbackRate = Number(event.target.value)));
  }
  at("play").addEventListener("click", toggle);
  at("back").addEventListener("click", () => step(-1));
  at("forth").addEventListener("click", () => step(1));
  for (const box of Object.values(layers)) box.addEventListener("change", draw);

  // ---- time lines ----
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  for (const lane of data.lanes) {
    const lows = lane.low || lane.high, least = Math.min(lane.floor ?? Infinity, ...lows), top = Math.max(...lane.high);
    const flat = top - least < 1e-9; // in the middle
    const low = flat ? least - 1 : least, high = flat ? top + 1 : top, n = data.n;
    const point = (v, i) => `${((1000 * Math.min((i + 0.5) * lane.step, n)) / n).toFixed(2)} ${(97 - (94 * (v - low)) / (high - low)).toFixed(2)}`;
    const points = lane.high.map(point);
    if (lane.low) points.push(...lane.low.map(point).reverse());
    const path = svg("path", { d: points.length ? `M${points.join("L")}${lane.low ? "Z" : ""}` : "", "vector-effect": "non-scaling-stroke" });
    if (lane.low) path.classList.add("filled");
    document.querySelector(`[data-curve="${lane.key}"]`).append(path);
    document.querySelector(`[data-range="${lane.key}"]`).textContent = `${least.toFixed(lane.digits)} to ${top.toFixed(lane.digits)} ${lane.unit}`;
  }
  let zoom = 1;
  const axis = () => {
    const room = tracks.clientWidth, lasts = time(last) + 1 / data.fps;
    const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600];
    const every = steps.find((s) => (room * s) / lasts >= 64) || 7200;
    const digits = every < 0.1 ? 2 : every < 1 ? 1 : 0;
    const labels = [];
    for (let k = 0; k * every < lasts && k < 2000; k++) {
      const label = document.createElement("span");
      label.textContent = `${(k * every).toFixed(digits)} s`;
      label.style.left = `${(100 * nearest(k * every)) / data.n}%`;
      labels.push(label);
    }
    at("axis").replaceChildren(...labels);
  };
  const closer = (by) => {
    zoom = Math.min(64, Math.max(1, zoom * by));
    tracks.style.width = `${100 * zoom}%`;
    axis();
    const view = at("window");
    view.scrollLeft = ((frame + 0.5) / data.n) * tracks.clientWidth - view.clientWidth / 2;
  };
  at("closer").addEventListener("click", () => closer(2));
  at("wider").addEventListener("click", () => closer(0.5));
  const under = (event) => {
    const place = tracks.getBoundingClientRect();
    return Math.floor(((event.clientX - place.left) / place.width) * data.n);
  };
  tracks.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    tracks.setPointerCapture(event.pointerId);
    if (video) video.pause();
    seek(under(event));
  });
  tracks.addEventListener("pointermove", (event) => {
    if (tracks.hasPointerCapture(event.pointerId)) seek(under(event));
  });
  for (const button of document.querySelectorAll("[data-seek]")) {
    button.addEventListener("click", () => {
      if (video) video.pause();
      seek(Number(button.dataset.seek));
      at("stage").scrollIntoView({ block: "nearest" });
    });
  }

  // ---- keys ----
  const jump = (forth) => {
    const found = forth ? data.begins.find((b) => b > frame) : data.begins.findLast((b) => b < frame);
    if (found !== undefined) step(found - frame);
  };
  const keys = {
    ArrowLeft: (e) => step(e.shiftKey ? -10 : -1),
    ArrowRight: (e) => step(e.shiftKey ? 10 : 1),
    Home: () => step(-frame),
    End: () => step(last - frame),
    " ": toggle,
    n: () => jump(true),
    p: () => jump(false),
    "+": () => closer(2),
    "-": () => closer(0.5),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest("select, input[type=number]") || (event.key.startsWith("Arrow") && target.closest(".scroll"))) return; // theirs
    if (event.key === " " && target.closest("button, input, summary, a")) return;
    const box = Object.values(layers)[Number(event.key) - 1];
    if (/^[1-9]$/.test(event.key) && box && !box.disabled) {
      box.checked = !box.checked;
      draw();
    } else if (keys[event.key]) keys[event.key](event);
    else return;
    event.preventDefault();
  });

  new ResizeObserver(() => { fit(); axis(); }).observe(at("stage"));
  const hash = () => {
    const asked = Number(location.hash.slice(1));
    seek(Number.isInteger(asked) && location.hash.length > 1 ? asked : frame);
  };
  window.addEventListener("hashchange", hash);
  fit();
  axis();
  hash();
})();
