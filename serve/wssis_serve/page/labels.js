// What a person has labelled: pictures, their objects, and both as a COCO file.
//
// An object is never changed but replaced, so a step back is a list of earlier objects.  Its answer,
// which the server fills in, belongs to the clicks that were asked about: undone and done again,
// it is still there.

import { contains } from "./masks.js";

export class Picture {
  imageId = null; // what the server calls the picture, once it was asked about points
  suggestions = []; // what the student found, best score first
  suggesting = null; // the promise of them, once the student is asked
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
    this.change(this.objects.map((each) => (each.key === object.key ? object : each)));
  }

  remove(key) {
    this.change(this.objects.filter((each) => each.key !== key));
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

  // The suggestions with at least this score that are no objects yet: nobody has accepted them, and
  // no point of their class means them.  Of several around a point the smallest is meant.
  open(threshold) {
    const open = new Set(this.suggestions.filter((each) => each.score >= threshold));
    for (const { suggestion } of this.objects) open.delete(suggestion);
    for (const { point, categoryId } of this.objects.filter((object) => object.point)) {
      const around = [...open].filter(
        (each) => each.categoryId === categoryId && contains(each.mask, ...point),
      );
      open.delete(around.sort((one, other) => one.mask.area - other.mask.area)[0]);
    }
    return [...open];
  }
}

let lastKey = 0;

// An object that a person pointed at: the server is to be asked about it.
export function pointedObject(categoryId, point) {
  return { key: ++lastKey, categoryId, point, clicks: [], answer: { state: "waiting" } };
}

// An object whose mask the student drew and a person accepted; nobody pointed at it.
export function acceptedObject(suggestion) {
  const { categoryId, mask, score } = suggestion;
  const answer = { state: "mask", mask, score, expectedIou: null, alarms: [] };
  return { key: ++lastKey, categoryId, point: null, clicks: [], suggestion, answer };
}

// The object with something changed, to be asked about again.  Its old mask shows until then.
export function askedAgain(object, change) {
  const answer = { state: "waiting", mask: object.answer.mask };
  return { ...object, ...change, answer };
}

// The point of an object as the server wants it.
export function question({ categoryId, point: [x, y], clicks }) {
  return { x, y, category_id: categoryId, clicks };
}

// The COCO instance file of all pictures that have objects.  A point whose mask is missing stays a
// point: a weak label.
export function toCoco(pictures, classes, models) {
  const labelled = pictures.filter((picture) => picture.objects.length);
  const objects = labelled.flatMap((picture) => picture.objects.map((each) => [picture, each]));
  return {
    info: { models: Object.fromEntries(models.map(({ name, hash }) => [name, hash])) },
    images: labelled.map(({ id, name, width, height }) => ({ id, file_name: name, width, height })),
    annotations: objects.map(([picture, object], i) => annotation(i + 1, picture.id, object)),
    categories: classes.map(({ category_id, name }) => ({ id: category_id, name })),
  };
}

function annotation(id, imageId, { categoryId, point, clicks, answer }) {
  const entry = { id, image_id: imageId, category_id: categoryId, iscrowd: 0 };
  if (point) entry.point = point;
  const more = (wanted) => clicks.filter((c) => c.positive === wanted).map(({ x, y }) => [x, y]);
  if (more(true).length) entry.more_points = more(true);
  if (more(false).length) entry.negative_points = more(false);
  if (answer.state !== "mask") return entry; // the mask of earlier clicks is not an answer to these
  const { counts, height, width, bbox, area } = answer.mask;
  Object.assign(entry, { segmentation: { size: [height, width], counts }, bbox, area });
  entry.score = answer.score;
  if (answer.expectedIou !== null) entry.expected_iou = answer.expectedIou;
  return entry;
}
