// Masks drawn by hand: a brush, an eraser, and outlines that are filled.

import { maskOfPixels, pixelsInBox } from "./masks.js";

const [NARROWEST, WIDEST, STEP] = [2, 200, 1.25]; // CSS pixels, and the factor of a key
export const TOOLS = ["brush", "eraser", "outline"];

export class Pen {
  width = 16; // CSS pixels of brush and eraser
  #stroke = null; // { tool, points, width } in pixels of the image, while it is drawn

  // `toolOf()` is the tool that is picked, `onDrawn(stroke)` is called with every stroke.
  constructor({ toolOf, onStart, onDrawn }) {
    Object.assign(this, { toolOf, onStart, onDrawn });
  }

  // What a `View` asks of its `stroke`.
  strokeOn(view) {
    return {
      isOn: () => TOOLS.includes(this.toolOf()),
      start: (point) => {
        if (!this.onStart(this.toolOf())) return;
        this.#stroke = { tool: this.toolOf(), points: [point], width: this.width / view().scale };
        view().redraw();
      },
      move: (point) => {
        this.#stroke?.points.push(point);
        view().redraw();
      },
      end: () => {
        const stroke = this.#stroke;
        this.#stroke = null;
        if (stroke) this.onDrawn(stroke);
      },
    };
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
      context.fillStyle = context.strokeStyle = stroke.tool === "eraser" ? "#ffffff" : colour;
      drawStroke(context, stroke);
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

function drawStroke(context, { tool, points, width }) {
  context.beginPath();
  context.moveTo(...points[0]);
  for (const point of points) context.lineTo(...point);
  if (tool === "outline") return context.fill();
  Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
  context.stroke();
}

// The mask after a stroke on an image of this size; null if nothing is left of it.
export function drawn(mask, stroke, { width, height }) {
  const box = boxOf(mask, stroke, width, height);
  const [left, top, across, down] = box;
  if (across <= 0 || down <= 0) return mask;
  const context = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
  if (mask) paste(context, mask, left, top);
  context.translate(-left, -top);
  context.globalCompositeOperation = stroke.tool === "eraser" ? "destination-out" : "source-over";
  drawStroke(context, stroke);
  const { data } = context.getImageData(0, 0, across, down);
  const pixels = new Uint8Array(across * down);
  for (let i = 0; i < pixels.length; i++) pixels[i] = data[4 * i + 3] >> 7; // at least half covered
  return maskOfPixels(pixels, box, height, width);
}

function paste(context, mask, left, top) {
  const [x, y, width, height] = mask.bbox;
  const pixels = context.createImageData(width, height);
  pixelsInBox(mask).forEach((isInside, i) => (pixels.data[4 * i + 3] = 255 * isInside));
  context.putImageData(pixels, x - left, y - top);
}

// The part of the image that holds the mask and the stroke.
function boxOf(mask, { points, width: reach }, width, height) {
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  let edges = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  edges = edges.map((edge, i) => (i < 2 ? Math.floor(edge - reach) : Math.ceil(edge + reach)));
  if (mask) {
    const [x, y, across, down] = mask.bbox;
    edges = edges.map((edge, i) => (i < 2 ? Math.min(edge, [x, y][i]) : Math.max(edge, [x + across, y + down][i - 2])));
  }
  const [left, top] = [Math.max(0, edges[0]), Math.max(0, edges[1])];
  return [left, top, Math.min(width, edges[2]) - left, Math.min(height, edges[3]) - top];
}
