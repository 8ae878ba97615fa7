"use strict";
(() => {
  const zoomMost = 64, step = 2;
  document.documentElement.classList.add("js");

  // How wide a label is, without the browser's laying out the page to know it.
  const ruler = document.createElement("canvas").getContext("2d");
  const fonts = new Map();
  const widthOf = (label, text, bold) => {
    if (!fonts.has(bold)) {
      const style = getComputedStyle(text);
      fonts.set(bold, style.fontWeight + " " + style.fontSize + " " + style.fontFamily);
    }
    ruler.font = fonts.get(bold);
    return ruler.measureText(label).width;
  };
  // A label that does not fit into its bar is left out: what is cut in two cannot be read.
  // All is measured before anything is changed: each change in between would have the
  // whole page, of a hundred pictures perhaps, laid out anew.
  const fit = spans => {
    const chosen = [];
    for (const span of spans) {
      const text = span.querySelector("text");
      if (!text) continue;
      const room = span.querySelector(".bar").getBoundingClientRect().width - 8;
      const fits = label => label !== "" && widthOf(label, text, span.classList.contains("broken") || span.classList.contains("broken-outside")) <= room;
      chosen.push([span, text, [text.dataset.long, text.dataset.brief].find(fits)]);
    }
    for (const [span, text, label] of chosen) {
      text.textContent = label ?? text.dataset.brief;
      span.classList.toggle("tight", label === undefined);
    }
  };
  const pictures = new Map();
  const resized = new ResizeObserver(entries => fit(entries.flatMap(e => pictures.get(e.target))));

  for (const picture of document.querySelectorAll(".picture")) {
    const scroll = picture.querySelector(".scroll");
    const sheet = picture.querySelector(".sheet");
    const detail = picture.querySelector(".detail");
    const factor = picture.querySelector(".factor");
    const buttons = Object.fromEntries([...picture.querySelectorAll("button")].map(b => [b.dataset.do, b]));
    const spans = [...picture.querySelectorAll(".span")];
    let zoom = 1, current = spans[0];

    const tellZoom = () => {
      sheet.style.setProperty("--zoom", zoom);
      picture.dataset.zoom = zoom >= 16 ? 16 : zoom >= 4 ? 4 : 1;
      factor.textContent = Math.round(zoom * 10) / 10 + "\u00d7";
      buttons.out.setAttribute("aria-disabled", zoom === 1);
      buttons.fit.setAttribute("aria-disabled", zoom === 1);
      buttons.in.setAttribute("aria-disabled", zoom === zoomMost);
    };
    // The time under the pointer stays where it is; without one, the middle does.
    const setZoom = (wanted, clientX) => {
      const before = zoom;
      zoom = Math.min(zoomMost, Math.max(1, wanted));
      if (zoom === before) return;
      const plot = sheet.querySelector(".plot").getBoundingClientRect();
      const view = scroll.getBoundingClientRect();
      const labels = plot.left - view.left + scroll.scrollLeft;
      const x = clientX === undefined ? view.left + labels + (view.width - labels) / 2 : clientX;
      const share = (x - plot.left) / plot.width;
      tellZoom();
      const width = sheet.querySelector(".plot").getBoundingClientRect().width;
      scroll.scrollLeft = labels + share * width - (x - view.left);
      fit(spans);
    };
    const zooms = { in: () => setZoom(zoom * step), out: () => setZoom(zoom / step), fit: () => setZoom(1) };
    const keys = { "+": zooms.in, "=": zooms.in, "-": zooms.out, "0": zooms.fit };

    const tell = span => {
      detail.replaceChildren(...span.querySelector("title").textContent.split("\n").map(line => {
        const p = document.createElement("p");
        p.textContent = line;
        return p;
      }));
      detail.scrollTop = 0;
    };

    // One stop for the tab key; arrows walk from there.
    const rove = span => {
      if (current) current.setAttribute("tabindex", "-1");
      current = span;
      current.setAttribute("tabindex", "0");
    };
    for (const span of spans) span.setAttribute("tabindex", "-1");
    if (current) rove(current);
    const go = span => {
      if (!span) return;
      span.focus({ preventScroll: true });
      show(span);
    };
    // A long bar is in sight if any of it is.
    const show = span => {
      const box = span.getBoundingClientRect(), view = scroll.getBoundingClientRect();
      const label = sheet.querySelector(".axis .label").getBoundingClientRect().width;
      if (box.left < view.left + label && box.right < view.left + label + 12 || box.left > view.right - 12) {
        scroll.scrollLeft += box.left - view.left - label - 24;
      }
      const top = detail.getBoundingClientRect().bottom;
      if (box.top < top + 8) scrollBy(0, box.top - top - 40);
      if (box.bottom > innerHeight - 8) scrollBy(0, box.bottom - innerHeight + 40);
    };
    const lanes = [...new Set(spans.map(s => s.dataset.lane))];
    const inLane = lane => spans.filter(s => s.dataset.lane === lane);
    const nearest = (lane, at) => inLane(lane).reduce((best, s) => Math.abs(s.dataset.from - at) < Math.abs(best.dataset.from - at) ? s : best);
    const walk = {
      ArrowRight: () => spans[spans.indexOf(current) + 1],
      ArrowLeft: () => spans[spans.indexOf(current) - 1],
      ArrowDown: () => { const l = lanes[lanes.indexOf(current.dataset.lane) + 1]; return l && nearest(l, +current.dataset.from); },
      ArrowUp: () => { const l = lanes[lanes.indexOf(current.dataset.lane) - 1]; return l && nearest(l, +current.dataset.from); },
      Home: () => inLane(current.dataset.lane)[0],
      End: () => inLane(current.dataset.lane).at(-1),
    };

    picture.addEventListener("keydown", e => {
      if (e.ctrlKey || e.altKey || e.metaKey) return;
      if (keys[e.key]) {
        keys[e.key]();
        e.preventDefault();
      } else if (walk[e.key] && e.target.closest(".span")) {
        go(walk[e.key]());
        e.preventDefault();
      }
    });
    for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => zooms[name]());
    scroll.addEventListener("focusin", e => {
      const span = e.target.closest(".span");
      if (span) { rove(span); tell(span); }
    });
    scroll.addEventListener("mouseover", e => {
      const span = e.target.closest(".span");
      if (span) tell(span);
    });
    scroll.addEventListener("wheel", e => {
      if (!e.ctrlKey) return;
      setZoom(zoom * Math.exp(-e.deltaY / 300), e.clientX);
      e.preventDefault();
    }, { passive: false });

    let dragged = null;
    scroll.addEventListener("pointerdown", e => {
      if (e.pointerType === "mouse" && e.button === 0 && zoom > 1 && e.target.closest(".plot")) dragged = { x: e.clientX, left: scroll.scrollLeft };
    });
    addEventListener("pointermove", e => {
      if (dragged) scroll.scrollLeft = dragged.left - (e.clientX - dragged.x);
    });
    addEventListener("pointerup", () => { dragged = null; });
    addEventListener("pointercancel", () => { dragged = null; });
    tellZoom();
    pictures.set(scroll, spans);
    resized.observe(scroll); // Which tells of its first size too.
  }

  // What is not looked for leaves the list, and the page with it.
  const find = document.querySelector(".find");
  if (find) {
    const [name, failed] = find.querySelectorAll("input");
    const rows = [...document.querySelectorAll("nav li")].map(row => ({
      row, section: document.querySelector(row.querySelector("a").getAttribute("href")),
      name: row.querySelector("a").textContent.toLowerCase(), failed: row.querySelector(".verdict.bad") !== null,
    }));
    const pick = () => {
      const wanted = name.value.trim().toLowerCase();
      let shown = 0;
      for (const r of rows) {
        const hidden = !r.name.includes(wanted) || failed.checked && !r.failed;
        r.row.hidden = r.section.hidden = hidden;
        if (!hidden) shown++;
      }
      for (const folder of document.querySelectorAll(".folder")) folder.hidden = !folder.querySelector("li:not([hidden])");
      find.querySelector("output").textContent = shown === rows.length ? "" : shown + " of " + rows.length;
    };
    find.addEventListener("input", pick);
    // Who follows a link to what is hidden wants to see it.
    document.querySelector("main").addEventListener("click", e => {
      const to = e.target.closest("a")?.getAttribute("href");
      if (!to || to === "#all" || !document.querySelector(to)?.hidden) return;
      name.value = "";
      failed.checked = false;
      pick();
    });
    pick();
  }
})();
