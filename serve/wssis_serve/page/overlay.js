// Drawings over the image: masks, points, names and the crosshair.

import { contains, drawMask } from "./masks.js";

const MOST_MILLISECONDS = 8; // of a frame for making tiles of masks; others follow in the next one
const MOST_NAMES = 40; // with more instances, only the one under the pointer shows its name
const ON = "#ffffff";
const OFF = "#ff5a4f";

// As far from each other as ten colours can be, also for people who see two primary colours only.
const COLOURS = [
  ...["#16f39b", "#c716f3", "#bebeef", "#cb0b0b", "#f3c716"],
  ...["#21836f", "#cb0ba5", "#f58d47", "#c981f8", "#beefef"],
];

// The colour of the class number `index`: distinct for the first few, then around the circle.
export function colourOf(index) {
  return COLOURS[index] ?? `hsl(${Math.round((index * 137.508) % 360)} 75% 62%)`;
}

export class Overlay {
  constructor(session) {
    this.session = session;
  }

  // The suggestion or object with the smallest mask under a point.
  topmost([x, y]) {
    const { shown, objects } = this.session;
    return [...shown, ...objects]
      .filter(({ mask, answer }) => contains(mask ?? answer.mask ?? NOTHING, x, y))
      .sort((one, other) => maskOf(one).area - maskOf(other).area)[0];
  }

  paint(context, view) {
    const { shown, objects, pointedAt, object, crosshair, areMasksHidden } = this.session;
    const things = [...shown, ...objects].filter(maskOf);
    context.imageSmoothingEnabled = true;
    if (!areMasksHidden) {
      const visible = things.filter((thing) => view.sees(maskOf(thing).bbox));
      this.#masks(context, view, visible.sort(byArea));
    }
    view.inCanvas(context);
    const named = shown.length <= MOST_NAMES && !areMasksHidden ? shown : [];
    const taken = []; // boxes of names: of two that overlap, only the first is written
    for (const thing of new Set([pointedAt, object, ...named])) {
      if (thing && maskOf(thing)) this.#name(context, view, thing, taken);
    }
    for (const pointed of objects) this.#points(context, view, pointed);
    if (crosshair) drawCrosshair(context, view.toCanvas(crosshair));
    context.globalAlpha = 1;
  }

  #colour({ categoryId }) {
    return this.session.classOf(categoryId).colour;
  }

  // While the view moves, masks keep the tiles that they have.
  #masks(context, view, things) {
    const start = performance.now();
    let areSharp = true;
    for (const thing of things) {
      const isTime = !view.isMoving && performance.now() - start < MOST_MILLISECONDS;
      areSharp = this.#mask(context, view, thing, isTime) && areSharp;
    }
    if (!areSharp && !view.isMoving) view.redraw();
  }

  #mask(context, view, thing, isTime) {
    const { pointedAt, object } = this.session;
    const isMarked = thing === pointedAt || thing === object;
    const isOpen = !thing.answer; // not accepted yet
    if (thing.answer?.state === "pending") context.globalAlpha = 0.4;
    else if (isOpen && !isMarked) context.globalAlpha = 0.8;
    const colour = this.#colour(thing);
    const look = { colour, scale: view.scale * devicePixelRatio, isTime };
    if (isMarked) drawMask(context, maskOf(thing), look);
    const edgeColour = thing === object ? "#ffffff" : colour;
    const isSharp = drawMask(context, maskOf(thing), { ...look, edgeColour });
    context.globalAlpha = 1;
    return isSharp;
  }

  #name(context, view, thing, taken) {
    const [x, y] = view.toCanvas(maskOf(thing).bbox);
    const score = thing.score ?? thing.answer.score;
    const text = `${this.session.classOf(thing.categoryId).name} ${score?.toFixed(2) ?? ""}`.trim();
    context.font = "600 12px system-ui, sans-serif";
    const width = context.measureText(text).width + 24;
    const left = Math.max(0, Math.min(x, view.canvas.clientWidth - width));
    const top = Math.max(0, y - 18);
    const isFree = taken.every(([l, t, w]) => left > l + w || l > left + width || Math.abs(top - t) > 17);
    if (!isFree) return;
    taken.push([left, top, width]);
    context.fillStyle = "rgb(0 0 0 / .72)";
    context.beginPath();
    context.roundRect(left, top, width, 17, 4);
    context.fill();
    context.fillStyle = this.#colour(thing);
    context.fillRect(left + 5, top + 4, 9, 9);
    context.fillStyle = "#ffffff";
    context.fillText(text, left + 19, top + 12.5);
  }

  #points(context, view, object) {
    const { point, clicks } = object;
    const isSelected = object === this.session.object;
    if (point) {
      const ring = object.answer.state === "pending" ? [3, 3] : [];
      drawDot(context, view.toCanvas(point), isSelected ? 7 : 5.5, ON, this.#colour(object), ring);
    }
    for (const { x, y, positive } of clicks) {
      const place = view.toCanvas([x, y]);
      drawDot(context, place, 5.5, positive ? ON : OFF, positive ? this.#colour(object) : ON, []);
      drawSign(context, place, positive);
    }
  }
}

const NOTHING = { ends: [], height: 0, width: 0 };

const maskOf = (thing) => thing.mask ?? thing.answer?.mask;
const byArea = (one, other) => maskOf(other).area - maskOf(one).area; // small ones on top

function drawDot(context, [x, y], radius, inside, ring, dash) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = inside;
  context.fill();
  context.lineWidth = 5;
  context.strokeStyle = "rgb(0 0 0 / .7)";
  context.setLineDash(dash);
  context.stroke();
  context.lineWidth = 3;
  context.strokeStyle = ring;
  context.stroke();
  context.setLineDash([]);
}

function drawSign(context, [x, y], isPlus) {
  context.fillStyle = isPlus ? "#111" : ON;
  context.fillRect(x - 3, y - 0.75, 6, 1.5);
  if (isPlus) context.fillRect(x - 0.75, y - 3, 1.5, 6);
}

function drawCrosshair(context, [x, y]) {
  for (const [width, colour] of [[4, "rgb(0 0 0 / .7)"], [1.5, ON]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    for (const [across, down] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 4 * across, y + 4 * down);
      context.lineTo(x + 18 * across, y + 18 * down);
    }
    context.stroke();
  }
}
