// Looks at a page as it is drawn and returns what is wrong with it, one
// sentence for each: sideways scrolling, text that is hard to tell from its
// background (WCAG 1.4.3), things to press that are too small (WCAG 2.5.8).
(() => {
  const found = [];
  const name = e => `<${e.tagName.toLowerCase()}> "${e.textContent.trim().slice(0, 30)}"`;
  const shown = e => e.checkVisibility({ opacityProperty: true, visibilityProperty: true });

  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) found.push(`scrolls sideways: ${width} px wide in ${innerWidth} px`);

  const paper = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function over(colour, below) { // colour drawn on the opaque colour below
    paper.fillStyle = `rgb(${below})`;
    paper.fillRect(0, 0, 1, 1);
    paper.fillStyle = colour;
    paper.fillRect(0, 0, 1, 1);
    return [...paper.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }
  function background(e) {
    const below = e.parentElement ? background(e.parentElement) : over("Canvas", [255, 255, 255]);
    return over(getComputedStyle(e).backgroundColor, below);
  }
  function light(rgb) { // relative luminance, WCAG 2.2
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  for (const e of document.body.querySelectorAll("*")) {
    const text = [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!text || !shown(e) || e.closest("script, style, noscript, [disabled]")) continue;
    const style = getComputedStyle(e), below = background(e);
    const [dark, bright] = [light(over(style.color, below)), light(below)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (ratio < least) found.push(`contrast ${ratio.toFixed(2)} of ${name(e)}, want ${least}`);
  }

  const targets = "button, a.button, nav a, summary, input:not([type=hidden]), select";
  for (const e of document.querySelectorAll(targets)) {
    const box = e.getBoundingClientRect();
    if (shown(e) && (box.width < 24 || box.height < 24)) {
      found.push(`${name(e)} is ${Math.round(box.width)} by ${Math.round(box.height)} px, want 24`);
    }
  }
  return found;
})()
