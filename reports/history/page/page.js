"use strict";
(() => {
  const controls = document.getElementById("controls");
  const search = document.getElementById("search");
  const state = document.getElementById("state");
  const host = document.getElementById("host");
  const count = document.getElementById("count");
  const series = [...document.querySelectorAll("details.series")];
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const one of series) {
      const text = one.dataset.text;
      const fits =
        words.every((word) => text.includes(word)) &&
        (state.value === "" || one.dataset.state.split(" ").includes(state.value)) &&
        (host === null || host.value === "" || one.dataset.host === host.value);
      one.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = `${shown} of ${series.length} shown`;
  };
  const open = () => {
    const one = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (one instanceof HTMLDetailsElement) {
      if (one.hidden) {
        search.value = state.value = "";
        if (host !== null) host.value = "";
        show();
      }
      one.open = true;
      one.scrollIntoView();
    }
  };
  controls.hidden = false;
  for (const one of [search, state, host]) one?.addEventListener("input", show);
  addEventListener("hashchange", open);
  show();
  open();
})();
