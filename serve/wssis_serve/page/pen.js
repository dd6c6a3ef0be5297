// Strokes: a brush, an eraser, outlines that are filled, and cuts.

import { boxAround, boxOfPoints, maskOfRaster, rasterDrawn, rasterOf } from "./rasters.js";

const [NARROWEST, WIDEST, STEP] = [2, 200, 1.25]; // CSS pixels, and the factor of a key
const CUT = 2; // pixels of the image: narrow, and still it parts what lies on its two sides
const SEEN = 2; // CSS pixels
const TOOLS = ["brush", "eraser", "outline", "cut"];

export class Pen {
  width = 16; // CSS pixels of brush and eraser
  #stroke = null; // { tool, points, width } in pixels of the image, while it is drawn

  // `toolOf()` is the tool that is picked, `onDrawn(stroke)` is called with every stroke.
  constructor({ view, toolOf, onStart, onDrawn }) {
    Object.assign(this, { view, toolOf, onStart, onDrawn });
  }

  get isHolding() {
    return Boolean(this.#stroke);
  }

  // What a `View` asks of its `stroke`.
  isOn() {
    return TOOLS.includes(this.toolOf());
  }

  start(point) {
    const tool = this.toolOf();
    if (!this.onStart(tool)) return;
    this.#stroke = { tool, points: [point], width: tool === "cut" ? CUT : this.width / this.view().scale };
    this.view().redraw();
  }

  move(point) {
    this.#stroke?.points.push(point);
    this.view().redraw();
  }

  end() {
    const stroke = this.#stroke;
    this.#stroke = null;
    if (stroke) this.onDrawn(stroke);
  }

  resize(step) {
    this.width = Math.min(WIDEST, Math.max(NARROWEST, this.width * STEP ** step));
  }

  // Draw the stroke so far, and the brush at the pointer.
  paint(context, view, colour, pointer) {
    const stroke = this.#stroke;
    view.inImage(context);
    if (stroke) {
      context.globalAlpha = 0.6;
      context.fillStyle = context.strokeStyle = ["eraser", "cut"].includes(stroke.tool) ? "#ffffff" : colour;
      drawStroke(context, { ...stroke, width: Math.max(stroke.width, SEEN / view.scale) });
      context.globalAlpha = 1;
    }
    view.inCanvas(context);
    if (!pointer || !["brush", "eraser"].includes(this.toolOf())) return;
    const [x, y] = view.toCanvas(pointer);
    for (const [width, ring] of [[3, "#000"], [1.5, "#fff"]]) {
      context.beginPath();
      context.arc(x, y, this.width / 2, 0, 2 * Math.PI);
      Object.assign(context, { lineWidth: width, strokeStyle: ring });
      context.stroke();
    }
  }
}

export function drawStroke(context, { tool, points, width }) {
  context.beginPath();
  context.moveTo(...points[0]);
  for (const point of points) context.lineTo(...point);
  if (tool === "outline") return context.fill();
  Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
  context.stroke();
}

// The mask after a stroke on an image of this size; null if nothing is left of it.
export function drawn(mask, stroke, image) {
  const boxes = [boxOfPoints(stroke.points, stroke.width), ...(mask ? [mask.bbox] : [])];
  const box = boxAround(boxes, image);
  if (!box) return mask;
  const { pixels } = rasterOf(mask, box);
  const isInside = stroke.tool === "eraser" ? 0 : 1;
  rasterDrawn((context) => drawStroke(context, stroke), box).pixels.forEach((isDrawn, i) => {
    if (isDrawn) pixels[i] = isInside;
  });
  return maskOfRaster({ pixels, box }, image);
}
