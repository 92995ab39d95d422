/* made by ttprep report: the filter of the list of videos */
"use strict";
(() => {
  const filter = document.getElementById("filter"), only = document.getElementById("only");
  const rows = [...document.querySelectorAll(".matrix tbody tr")];
  const shown = document.getElementById("shown");
  const apply = () => {
    const text = filter.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows) {
      const keep = row.dataset.name.includes(text) && (!only.checked || row.dataset.attention);
      row.hidden = !keep;
      count += keep ? 1 : 0;
    }
    shown.textContent = count === rows.length ? "" : `${count} of ${rows.length}`;
  };
  filter.addEventListener("input", apply);
  only.addEventListener("change", apply);
  apply();
})();
