(() => {
  for (const d of document.querySelectorAll("details")) d.open = true;
  const box = (selector) => {
    const e = document.querySelector(selector);
    const r = e ? e.getBoundingClientRect() : { x: 0, y: 0, width: 0, height: 0 };
    return { X: r.x, Y: r.y, Width: r.width, Height: r.height };
  };
  const rgb = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const contrast = (e) => {
    const style = getComputedStyle(e);
    const ink = rgb(e instanceof SVGElement && e.tagName === "text" ? style.fill : style.color);
    const [a, b] = [luminance(ink), luminance(background(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const texts = [];
  const outside = [];
  for (const e of document.body.querySelectorAll("*")) {
    const r = e.getBoundingClientRect();
    if (r.width === 0 || r.height === 0 || ["SCRIPT", "STYLE", "title"].includes(e.tagName)) continue;
    if (e.closest(".hidden, thead")) continue;
    // What is cut with an ellipsis stays inside.
    if (r.right > innerWidth + 0.5 || r.left < -0.5) outside.push(`${e.tagName} ${e.getAttribute("class") || ""} ${r.left}..${r.right} ${e.textContent.slice(0, 60)}`);
    const own = [...e.childNodes].filter((n) => n.nodeType === 3 && n.data.trim()).map((n) => n.data.trim()).join(" ");
    if (own) texts.push({ Text: own.slice(0, 60), Class: e.getAttribute("class") || "", Contrast: contrast(e) });
  }
  return {
    Background: getComputedStyle(document.body).backgroundColor,
    Width: innerWidth,
    Scroll: document.documentElement.scrollWidth,
    Outside: outside,
    Matrix: box("table[aria-labelledby=matrix]"),
    Timeline: box(".timeline figure"),
    Bars: [...document.querySelectorAll(".timeline .bar rect")].filter((e) => e.getBoundingClientRect().width >= 1).length,
    Results: [...document.querySelectorAll("table .result")].map((e) => e.textContent),
    Texts: texts,
  };
})()
