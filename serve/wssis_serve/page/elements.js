// Small elements of the lists.

export function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

export function swatch(colour) {
  const mark = make("i", { className: "swatch" });
  mark.style.background = colour;
  return mark;
}

// Scroll a list, and nothing but the list, until its row is visible.
export function reveal(line) {
  if (!line) return;
  const list = line.parentElement;
  const top = line.offsetTop - list.offsetTop;
  const lowest = top + line.offsetHeight - list.clientHeight;
  list.scrollTop = Math.min(Math.max(list.scrollTop, lowest), top);
}
