// An image with the class map of the server, the tags that a person ticked and the strokes drawn.

import { draw, emptyMap } from "./strokes.js";

export class MappedImage {
  tags = new Set(); // labels of the classes that the image shows, as far as a person said so
  answer = null; // of the server: `classes` and the map as `png`, in base64
  labels = null; // that map, a Uint8Array, row by row, while the image is displayed
  askedTags = null; // those of the last question, as one text
  strokes = []; // { value, width, points }; the value is a label, or `NOT_ANNOTATED` to erase
  drawn = null; // the strokes as a class map, once there are any
  version = 0; // of `drawn`
  #undone = [];

  constructor(file, name, { width, height }) {
    Object.assign(this, { file, name, width, height });
  }

  get canUndo() {
    return this.strokes.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  start(stroke) {
    this.strokes.push(stroke);
    this.#undone = [];
    this.drawn ??= emptyMap(this.width, this.height);
    this.#drawFrom(0);
  }

  extend(point) {
    const { points } = this.strokes.at(-1);
    points.push(point);
    this.#drawFrom(points.length - 1);
  }

  undo() {
    this.#undone.push(this.strokes.pop());
    this.drawn = emptyMap(this.width, this.height);
    for (const stroke of this.strokes) draw(this.drawn, stroke);
    this.version++;
  }

  redo() {
    this.strokes.push(this.#undone.pop());
    this.#drawFrom(0);
  }

  // The label of the class at a point, of the answer; null where there is none.
  labelAt([x, y]) {
    return this.labels?.[Math.floor(y) * this.width + Math.floor(x)] ?? null;
  }

  #drawFrom(place) {
    draw(this.drawn, this.strokes.at(-1), place);
    this.version++;
  }
}
