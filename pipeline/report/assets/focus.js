/* made by ttprep report: a box over the picture, as the manifest has it */
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const part = at("focus"), stage = at("stage"), frame = at("focus-box"), copy = at("focus-copy");
  const fields = ["left", "top", "right", "bottom"].map((name) => at(`focus-${name}`));
  const [width, height] = data.tile, [wide, high] = data.stored, [x0, y0] = data.at;
  const clamp = (v) => Math.min(1, Math.max(0, v));
  const short = (v) => String(Number(clamp(v).toFixed(3)));
  let from = null; // where a drag began, in shares of the stored frame

  // the stage shows a part of the stored frame: what lies around a picture that was fitted is left out
  const share = (event) => {
    const place = stage.getBoundingClientRect();
    const x = clamp((event.clientX - place.left) / place.width), y = clamp((event.clientY - place.top) / place.height);
    return [(x0 + x * width) / wide, (y0 + y * height) / high];
  };
  const show = () => {
    const [left, top, right, bottom] = fields.map((field) => (field.value === "" ? NaN : Number(field.value)));
    const whole = 0 <= left && left < right && right <= 1 && 0 <= top && top < bottom && bottom <= 1;
    at("focus-line").textContent = whole ? `focus: [${[left, top, right, bottom].map(short).join(", ")}]` : "";
    at("focus-wrong").hidden = whole || fields.every((field) => field.value === "");
    copy.disabled = !whole;
    copy.textContent = "Copy";
    frame.hidden = !(whole && part.open);
    if (frame.hidden) return;
    frame.style.left = `${(100 * (left * wide - x0)) / width}%`;
    frame.style.top = `${(100 * (top * high - y0)) / height}%`;
    frame.style.width = `${(100 * (right - left) * wide) / width}%`;
    frame.style.height = `${(100 * (bottom - top) * high) / height}%`;
  };
  const fill = (to) => {
    const values = [0, 1].map((k) => Math.min(from[k], to[k])).concat([0, 1].map((k) => Math.max(from[k], to[k])));
    fields.forEach((field, k) => (field.value = short(values[k])));
    show();
  };
  stage.addEventListener("pointerdown", (event) => {
    if (!part.open || event.button !== 0) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    from = share(event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (from && stage.hasPointerCapture(event.pointerId)) fill(share(event));
  });
  for (const event of ["pointerup", "pointercancel"]) stage.addEventListener(event, () => (from = null));
  part.addEventListener("toggle", () => {
    stage.classList.toggle("drawing", part.open);
    show();
  });
  for (const field of fields) field.addEventListener("input", show);
  at("focus-clear").addEventListener("click", () => {
    fields.forEach((field) => (field.value = ""));
    show();
  });
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(at("focus-line"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  copy.addEventListener("click", async () => {
    const text = at("focus-line").textContent;
    select(); // where copying is not allowed, Ctrl+C does it
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = document.execCommand("copy") ? "Copied" : "Press Ctrl+C";
    }
  });
  show();
})();
