// The labels of a person: images, their objects, and both as a COCO file.
//
// An object is never changed but replaced, so undo restores an earlier list of objects.  Its answer,
// which the server fills in, belongs to the clicks that were asked about: it survives undo and redo.

import { contains } from "./masks.js";

export class LabelledImage {
  imageId = null; // the server's id of the image, once it was asked about points
  suggestions = []; // instances of the student, best score first
  suggesting = null; // the promise of them, once the student was asked
  objects = [];
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

  // The suggestions with at least this score that are no objects yet: they have not been accepted,
  // and no point of their class is on them.  Of several around a point, the smallest is taken.
  open(threshold) {
    const open = new Set(this.suggestions.filter((suggestion) => suggestion.score >= threshold));
    for (const { suggestion } of this.objects) open.delete(suggestion);
    for (const { point, categoryId } of this.objects.filter((object) => object.point)) {
      const around = [...open].filter(
        (suggestion) => suggestion.categoryId === categoryId && contains(suggestion.mask, ...point),
      );
      open.delete(around.sort((one, other) => one.mask.area - other.mask.area)[0]);
    }
    return [...open];
  }
}

let lastKey = 0;

// An object that a person pointed at; the server has yet to be asked about it.
export function pointedObject(categoryId, point) {
  return { key: ++lastKey, categoryId, point, clicks: [], answer: { state: "pending" } };
}

// An object whose mask the student drew and a person accepted, without a point.
export function acceptedObject(suggestion) {
  const { categoryId, mask, score } = suggestion;
  const answer = { state: "mask", mask, score, expectedIou: null, flags: [] };
  return { key: ++lastKey, categoryId, point: null, clicks: [], suggestion, answer };
}

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
  const labelled = images.filter((image) => image.objects.length);
  const objects = labelled.flatMap((image) => image.objects.map((object) => [image, object]));
  return {
    info: { models: Object.fromEntries(models.map(({ name, hash }) => [name, hash])) },
    images: labelled.map(({ id, name, width, height }) => ({ id, file_name: name, width, height })),
    annotations: objects.map(([image, object], i) => annotation(i + 1, image.id, object)),
    categories: classes.map(({ category_id, name }) => ({ id: category_id, name })),
  };
}

function annotation(id, imageId, { categoryId, point, clicks, answer }) {
  const entry = { id, image_id: imageId, category_id: categoryId, iscrowd: 0 };
  if (point) entry.point = point;
  const extra = (wanted) => clicks.filter((c) => c.positive === wanted).map(({ x, y }) => [x, y]);
  if (extra(true).length) entry.extra_points = extra(true);
  if (extra(false).length) entry.negative_points = extra(false);
  if (answer.state !== "mask") return entry; // a mask of earlier clicks is no answer to these
  const { counts, height, width, bbox, area } = answer.mask;
  Object.assign(entry, { segmentation: { size: [height, width], counts }, bbox, area });
  entry.score = answer.score;
  if (answer.expectedIou !== null) entry.expected_iou = answer.expectedIou;
  return entry;
}
