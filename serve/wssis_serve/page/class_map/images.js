// An image with the class map of the server, the tags that a person ticked and the strokes drawn.

import { draw, emptyMap, fill, NOT_ANNOTATED, runsByLabel } from "./strokes.js";

// What the labels of an image are, to the queue.
export const strokesOf = (session) => ({
  fileName: "class_maps.zip",
  copies: "of dropped images, class maps", // what the browser calls its copies
  read: "strokes", // methods of the server
  save: "saveStrokes",
  create: (id, name) => new MappedImage(session, null, name, {}),
  classes: (classes) => classes.map(({ id, name, color }, label) => ({ label, category_id: id, name, color })),
  count: ({ tags, strokes }) => {
    const shown = new Set([...tags, ...strokes.map((stroke) => stroke.class)]);
    return shown.size === 1 ? "1 class" : `${shown.size} classes`;
  },
});

export class MappedImage {
  tags = new Set(); // labels of the classes that the image shows, as far as a person said so
  answer = null; // of the server: `classes` and the map as `png`, in base64
  labels = null; // that map, a Uint8Array, row by row, while the image is displayed
  askedTags = null; // those of the last question, as one text
  strokes = []; // { value, width, points }; the value is a label, or `NOT_ANNOTATED` to erase
  drawn = null; // the strokes as a class map, once there are any
  version = 0; // of `drawn`
  #stored = []; // strokes of earlier, as run lengths by class
  #undone = [];
  #counted = { version: -1 };

  constructor(session, file, name, { width, height }) {
    Object.assign(this, { session, file, name, width, height });
  }

  get canUndo() {
    return this.strokes.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  // The labels of the classes that are drawn.
  get drawnLabels() {
    if (this.#counted.version !== this.version) {
      const drawn = new Set(this.drawn?.pixels);
      drawn.delete(NOT_ANNOTATED);
      this.#counted = { version: this.version, drawn };
    }
    return this.#counted.drawn;
  }

  // The number of classes that are drawn or ticked; background goes without saying.
  get numLabels() {
    const shown = new Set([...this.tags, ...this.drawnLabels]);
    return [...shown].filter((label) => this.session.classOf(label)?.name !== "background").length;
  }

  // Begin with what was stored; what was done before cannot be undone.
  takeStored({ tags, strokes }) {
    const { classes } = this.session;
    this.tags = new Set(classes.filter(({ name }) => tags.includes(name)).map(({ label }) => label));
    this.#stored = strokes;
    [this.strokes, this.#undone] = [[], []];
    this.#drawAll();
  }

  toStore() {
    const nameOf = (label) => this.session.classOf(label).name;
    const runs = this.drawn ? [...runsByLabel(this.drawn)] : [];
    return {
      tags: [...this.tags].map(nameOf),
      strokes: runs.map(([label, segmentation]) => ({ class: nameOf(label), segmentation })),
    };
  }

  // Takes the server's answer to what is sent now: it is the same.
  sent() {
    return () => {};
  }

  // Free what is found again when the image is displayed again.
  forget() {
    Object.assign(this, { answer: null, labels: null, askedTags: null });
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
    this.#drawAll();
  }

  redo() {
    this.strokes.push(this.#undone.pop());
    this.drawn ??= emptyMap(this.width, this.height);
    this.#drawFrom(0);
  }

  // The label of the class at a point, of the answer; null where there is none.
  labelAt([x, y]) {
    return this.labels?.[Math.floor(y) * this.width + Math.floor(x)] ?? null;
  }

  // Draw what was stored, and all strokes over it.
  #drawAll() {
    const [height, width] = this.#stored[0]?.segmentation.size ?? [this.height, this.width];
    const isEmpty = !this.#stored.length && !this.strokes.length;
    this.drawn = isEmpty ? null : emptyMap(width, height);
    for (const stored of this.#stored) {
      const known = this.session.classes.find(({ name }) => name === stored.class);
      if (known) fill(this.drawn, stored.segmentation, known.label);
    }
    for (const stroke of this.strokes) draw(this.drawn, stroke);
    this.version++;
  }

  #drawFrom(place) {
    draw(this.drawn, this.strokes.at(-1), place);
    this.version++;
  }
}
