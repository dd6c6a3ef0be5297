// The labels of a person: images, their objects, and both as a COCO file.
//
// An object is never changed but replaced, so undo restores an earlier list of objects.  Its answer,
// which the server fills in, belongs to the clicks that were asked about: it survives undo and redo.

import { contains, iou, readMask } from "./masks.js";

// What the labels of an image are, to the queue.
export const OBJECTS = {
  fileName: "labels.json",
  copies: "of dropped images", // what the browser calls its copies
  read: "labels", // methods of the server
  save: "saveLabels",
  create: (id, name) => new LabelledImage(id, null, name, {}),
  classes: (classes) => classes.map(({ id, name }) => ({ category_id: id, name })),
  count: ({ objects }) => `${objects.length} objects`,
};

export class LabelledImage {
  imageId = null; // the server's id of the image, once it was asked about points
  suggestions = []; // instances of the student, best score first
  suggesting = null; // the promise of them, once the student was asked
  objects = [];
  #ids = new Map(); // those of the server, by the keys of objects
  #past = [];
  #future = [];

  constructor(id, file, name, { width, height }) {
    Object.assign(this, { id, file, name, width, height });
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  change(objects) {
    this.#past.push(this.objects);
    this.#future = [];
    this.objects = objects;
  }

  // Begin with objects that were stored; what was done before cannot be undone.
  begin(objects) {
    this.objects = objects;
    this.#past = [];
    this.#future = [];
  }

  get numLabels() {
    return this.objects.length;
  }

  takeStored({ objects }) {
    const stored = objects.map(storedObject);
    this.#ids = new Map(stored.map((object, i) => [object.key, objects[i].id]));
    this.begin(stored);
  }

  toStore() {
    const entries = this.objects.map((object) => {
      const id = this.#ids.get(object.key);
      return id === undefined ? annotationOf(object) : { id, ...annotationOf(object) };
    });
    return { objects: entries };
  }

  // Takes the server's answer to the objects that are sent now.
  sent() {
    const { objects } = this;
    return (stored) => objects.forEach((object, i) => this.#ids.set(object.key, stored.objects[i].id));
  }

  // Free what is found again when the image is displayed again.
  forget() {
    Object.assign(this, { suggestions: [], suggesting: null });
  }

  add(...objects) {
    this.change([...this.objects, ...objects]);
  }

  replace(object) {
    this.change(this.objects.map((old) => (old.key === object.key ? object : old)));
  }

  remove(key) {
    this.change(this.objects.filter((object) => object.key !== key));
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    to.push(this.objects);
    this.objects = from.pop();
  }

  // The suggestions with at least this score that are no objects yet: none has been accepted,
  // no object looks like them, and no point of their class is on them.  Of several around a point, the smallest is taken.
  open(threshold) {
    const open = new Set(this.suggestions.filter((suggestion) => suggestion.score >= threshold));
    for (const { suggestion } of this.objects) open.delete(suggestion);
    for (const { point, categoryId } of this.objects.filter((object) => object.point && !object.suggestion)) {
      const around = [...open].filter(
        (suggestion) => suggestion.categoryId === categoryId && contains(suggestion.mask, ...point),
      );
      open.delete(around.sort((one, other) => one.mask.area - other.mask.area)[0]);
    }
    return [...open].filter((suggestion) => !this.objects.some((object) => shows(object, suggestion)));
  }
}

const [SAME, ANY_CLASS] = [0.5, 0.8]; // IoU of masks of one object, of a class or whatever the class

// True if an object that was not accepted here is what the student found.
function shows({ categoryId, answer, suggestion: own }, suggestion) {
  if (own || !answer.mask) return false;
  const least = categoryId === suggestion.categoryId ? SAME : ANY_CLASS;
  return overlapOf(answer.mask, suggestion.mask) >= least;
}

// The suggestions without those that show an object of a better one under another class.
export function withoutDoubles(suggestions) {
  const kept = [];
  for (const suggestion of suggestions) {
    if (!kept.some((better) => overlapOf(better.mask, suggestion.mask) >= ANY_CLASS)) kept.push(suggestion);
  }
  return kept;
}

const overlaps = new WeakMap(); // IoU by mask and mask: asked for with every frame

function overlapOf(one, other) {
  if (!overlaps.has(one)) overlaps.set(one, new WeakMap());
  const known = overlaps.get(one);
  if (!known.has(other)) known.set(other, iou(one, other));
  return known.get(other);
}

let lastKey = 0;

// An object that a person pointed at; the server has yet to be asked about it.
export function pointedObject(categoryId, point) {
  return { key: ++lastKey, categoryId, point, clicks: [], answer: { state: "pending" } };
}

// An object whose mask the student drew and a person accepted.
export function acceptedObject(suggestion) {
  const { categoryId, mask, score, point = null } = suggestion;
  const answer = { state: "mask", mask, score, expectedIou: null, flags: [] };
  return { key: ++lastKey, categoryId, point, clicks: [], suggestion, answer };
}

// An object of which a person drew the mask; it keeps the point and the clicks that it had.
export function drawnObject(old, categoryId, mask) {
  const answer = { state: "mask", mask, score: null, expectedIou: null, flags: [] };
  return old ? { ...old, answer } : { key: ++lastKey, categoryId, point: null, clicks: [], answer };
}

// An object that the server stored.
export function storedObject(entry) {
  const { category_id: categoryId, point = null, segmentation, bbox, area, score } = entry;
  const { extra_points: on = [], negative_points: off = [], expected_iou: iou, flags = [] } = entry;
  const mask = readMask({ rle: segmentation, bbox, area });
  const answer = mask
    ? { state: "mask", mask, score: score ?? null, expectedIou: iou ?? null, flags }
    : { state: "point", mask };
  const clicks = [...on.map(clickAt(true)), ...off.map(clickAt(false))];
  return { key: ++lastKey, categoryId, point, clicks, answer };
}

// An object that a file suggests.
export function storedSuggestion({ category_id: categoryId, segmentation, bbox, area, score, point }) {
  return { categoryId, score, point, mask: readMask({ rle: segmentation, bbox, area }) };
}

const clickAt = (positive) => ([x, y]) => ({ x, y, positive });

// The changed object, to be asked about again.  Its old mask is shown until then.
export function askedAgain(object, change) {
  const answer = { state: "pending", mask: object.answer.mask };
  return { ...object, ...change, answer };
}

// The point of an object in the form that the server takes.
export function question({ categoryId, point: [x, y], clicks }) {
  return { x, y, category_id: categoryId, clicks };
}

// The COCO instance file of all images that have objects.  A point without a mask stays a point: a
// weak label.
export function toCoco(images, classes, models) {
  const labelled = images.filter((image) => image.objects.length || image.state === "done");
  const objects = labelled.flatMap((image) => image.objects.map((object) => [image, object]));
  return {
    info: { models: Object.fromEntries(models.map(({ name, hash }) => [name, hash])) },
    images: labelled.map(({ id, name, width, height, state }) => {
      const entry = { id, file_name: name, width, height };
      return state === "done" ? { ...entry, annotated: true } : entry; // also of an empty image
    }),
    annotations: objects.map(([image, object], i) => {
      return { id: i + 1, image_id: image.id, iscrowd: 0, ...annotationOf(object) };
    }),
    categories: classes.map(({ category_id, name }) => ({ id: category_id, name })),
  };
}

// An object as an annotation of a COCO file, without ids.
export function annotationOf({ categoryId, point, clicks, answer }) {
  const entry = { category_id: categoryId };
  if (point) entry.point = point;
  const extra = (wanted) => clicks.filter((c) => c.positive === wanted).map(({ x, y }) => [x, y]);
  if (extra(true).length) entry.extra_points = extra(true);
  if (extra(false).length) entry.negative_points = extra(false);
  if (answer.state !== "mask") return entry; // a mask of earlier clicks is no answer to these
  const { counts, height, width, bbox, area } = answer.mask;
  Object.assign(entry, { segmentation: { size: [height, width], counts }, bbox, area });
  if (answer.score !== null) entry.score = answer.score;
  if (answer.flags.length) entry.flags = answer.flags;
  if (answer.expectedIou !== null) entry.expected_iou = answer.expectedIou;
  return entry;
}
