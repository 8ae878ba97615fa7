// What the test asks of a page that a browser has drawn.
window.probe = (() => {
  const shown = e => e.checkVisibility({ visibilityProperty: true });
  const textNodes = () => {
    const all = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const p = walk.currentNode.parentElement;
      if (walk.currentNode.data.trim() && !p.closest("script, style, title, defs") && shown(p)) all.push(walk.currentNode);
    }
    return all;
  };
  const boxes = node => {
    const r = document.createRange();
    r.selectNodeContents(node);
    return [...r.getClientRects()].filter(b => b.width > 0 && b.height > 0);
  };
  const meet = (a, b, by) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > by && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > by;
  const colour = c => {
    const n = c.match(/[\d.]+/g).map(Number);
    return c.startsWith("color(") ? { r: 255 * n[0], g: 255 * n[1], b: 255 * n[2], a: n[3] ?? 1 } : { r: n[0], g: n[1], b: n[2], a: n[3] ?? 1 };
  };
  const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
  const luminance = c => {
    const [r, g, b] = [c.r, c.g, c.b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.a === 1) return c;
    }
    return { r: 255, g: 255, b: 255, a: 1 };
  };
  const fills = id => [...document.querySelectorAll(id + " > *")].map(e => colour(getComputedStyle(e).fill));
  // All that can be behind a text: of a hatched bar both colours, of a lane its bands too.
  const grounds = e => {
    const span = e.closest(".span");
    if (span && e.tagName === "text") {
      const fill = getComputedStyle(span.querySelector(".bar")).fill;
      const hatch = fill.match(/url\("?(#[a-z-]+)/);
      return hatch ? fills(hatch[1]) : [colour(fill)];
    }
    const page = ground(e);
    if (!e.closest(".lanes")) return [page];
    return [page, ...fills("#hatch-band").map(c => over(c, page))];
  };
  return {
    overflow: () => {
      const wrong = [], wide = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth > wide) wrong.push("the page is " + document.documentElement.scrollWidth + " wide");
      for (const e of document.querySelectorAll("body *")) {
        if (shown(e) && e instanceof HTMLElement && getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1) wrong.push(e.tagName + "." + e.className + " has " + e.scrollWidth + " in " + e.clientWidth);
      }
      for (const n of textNodes()) {
        for (const b of boxes(n)) if (b.left < -1 || b.right > wide + 1) wrong.push("text " + n.data.trim() + " ends at " + b.right);
      }
      return wrong;
    },
    overlap: () => {
      const wrong = [], texts = textNodes().map(n => [n, boxes(n)]);
      for (let i = 0; i < texts.length; i++) for (let j = i + 1; j < texts.length; j++) {
        if (texts[i][1].some(a => texts[j][1].some(b => meet(a, b, 2)))) wrong.push(texts[i][0].data.trim() + " | " + texts[j][0].data.trim());
      }
      for (const plot of document.querySelectorAll(".plot")) {
        const bars = [...plot.querySelectorAll(".span > .bar")].map(e => [e, e.getBoundingClientRect()]);
        for (let i = 0; i < bars.length; i++) for (let j = i + 1; j < bars.length; j++) {
          if (meet(bars[i][1], bars[j][1], 3)) wrong.push(bars[i][0].parentElement.textContent + " | " + bars[j][0].parentElement.textContent);
        }
      }
      for (const e of document.querySelectorAll(".span:not(.tight) text")) {
        if (e.getBoundingClientRect().right > e.closest(".span").querySelector(".bar").getBoundingClientRect().right + 1) wrong.push("label beyond its bar: " + e.textContent);
      }
      return wrong;
    },
    contrast: () => {
      const wrong = [];
      for (const n of textNodes()) {
        const e = n.parentElement, ink = colour(getComputedStyle(e)[e.tagName === "text" ? "fill" : "color"]);
        for (const g of grounds(e)) {
          const c = contrast(ink, over(g, ground(e)));
          if (c < 4.5) wrong.push(n.data.trim() + ": " + c.toFixed(2));
        }
      }
      return { wrong, texts: textNodes().length };
    },
    // Where the bars of a kind are, as shares of the scale.
    spans: (run, kind) => [...document.querySelectorAll(".run." + run + " .span." + kind)].map(e => {
      const bar = e.querySelector(".bar"), plot = e.closest(".plot").getBoundingClientRect(), b = bar.getBoundingClientRect();
      return { lane: e.closest(".lane").querySelector(".name").textContent, from: (b.left - plot.left) / plot.width, to: (b.right - plot.left) / plot.width, fill: getComputedStyle(bar).fill, label: e.querySelector("text").textContent, height: b.height };
    }),
    active: () => {
      const e = document.activeElement;
      if (e === document.body) return null;
      window.known ??= [];
      if (!window.known.includes(e)) window.known.push(e);
      const s = getComputedStyle(e);
      return { id: window.known.indexOf(e), what: e.tagName + " " + (e.dataset.do ?? e.getAttribute("class") ?? ""), outline: s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 };
    },
    unreached: selector => [...document.querySelectorAll(selector)].filter(e => !window.known?.includes(e)).map(e => e.outerHTML.slice(0, 120)),
    detail: () => document.querySelector(".detail").innerText,
    title: () => document.activeElement.querySelector("title")?.textContent,
    plot: () => document.querySelector(".plot").getBoundingClientRect().width,
    open: () => document.querySelectorAll("details").forEach(d => { d.open = true; }),
    deadLinks: () => [...document.querySelectorAll("a")].filter(a => !document.querySelector(a.getAttribute("href"))).map(a => a.outerHTML),
    count: selector => document.querySelectorAll(selector).length,
    shown: selector => [...document.querySelectorAll(selector)].filter(shown).length,
  };
})();
