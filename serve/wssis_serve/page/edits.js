// Edits of the labels of an image, each of which can be undone: clicks, strokes, and what is accepted.

import { acceptedObject, askedAgain, drawnObject, pointedObject, withoutDoubles } from "./labels.js";
import { complain, say } from "./messages.js";
import { TOOLS, drawn } from "./pen.js";

const MARKER_REACH = 9; // CSS pixels: a click this near to a point selects its object

export class Edits {
  // `view()` and `pen()` are those of the page; `onEdit()` is called after every edit, `onRemove()`
  // after an object was removed, and `onSelect(key)` when a click is on the point of an object.
  constructor(session, { view, pen, onEdit, onRemove, onSelect }) {
    Object.assign(this, { session, view, pen, onEdit, onRemove, onSelect });
  }

  click(point, mode) {
    const { object, queue } = this.session;
    if (queue?.isReview && object && mode === "new") return this.click(point, "on");
    if (TOOLS.includes(mode)) {
      const width = this.pen().width / this.view().scale;
      return this.finishStroke({ tool: mode, points: [point], width }); // by the crosshair
    }
    if (mode === "new") {
      const near = this.objectNear(point);
      if (near) return this.onSelect(near.key);
      if (this.session.category === null) return complain("No class is picked.");
      const added = this.withoutServer(pointedObject(this.session.category, point));
      this.session.image.add(added);
      this.session.selected = added.key;
    } else if (!object) {
      return complain("Select an object first: click its point, or its row in the list.");
    } else if (object.point) {
      const [x, y] = point;
      const clicks = [...object.clicks, { x, y, positive: mode === "on" }];
      return this.revise(object, { clicks });
    } else if (mode === "on") {
      return this.revise(object, { point }); // found by the student, and now pointed at
    } else {
      return complain("This object has no point yet: alt + click it first.");
    }
    this.onEdit();
  }

  // A stroke begins: true if there is something that it may change.
  startStroke(tool) {
    if (tool === "eraser" && !this.session.object?.answer.mask) complain("Select an object with a mask first.");
    else if (!this.session.object && this.session.category === null) complain("No class is picked.");
    else return true;
    return false;
  }

  // A stroke changes the selected object, or begins one of the picked class.
  finishStroke(stroke) {
    const { object: old, image, category } = this.session;
    if (stroke.tool === "eraser" && !old?.answer.mask) return;
    const mask = drawn(old?.answer.mask ?? null, stroke, image);
    if (!mask && !old) return;
    if (!mask) return this.remove(old);
    const object = drawnObject(old, category, mask);
    if (old) image.replace(object);
    else image.add(object);
    this.session.selected = object.key;
    this.onEdit();
  }

  objectNear(point) {
    const [x, y] = this.view().toCanvas(point);
    return this.session.objects.findLast((object) => {
      if (!object.point) return false;
      const [left, top] = this.view().toCanvas(object.point);
      return Math.hypot(x - left, y - top) <= MARKER_REACH;
    });
  }

  // Change an object and ask for its mask again.
  revise(object, change) {
    this.session.image.replace(this.withoutServer(askedAgain(object, change)));
    this.onEdit();
  }

  // If no teacher is served, the point is all that can be known.
  withoutServer(object) {
    if (!this.session.takesPoints) object.answer = { state: "point", mask: null };
    return object;
  }

  accept(...suggestions) {
    if (!suggestions.length) return;
    this.session.image.add(...suggestions.map(acceptedObject));
    this.session.selected = this.session.objects.at(-1).key;
    this.session.pointedAt = null;
    say(suggestions.length === 1 ? "Accepted." : `${suggestions.length} accepted.`);
    this.onEdit();
  }

  acceptAll() {
    const chosen = withoutDoubles(this.session.shown);
    const numDoubles = this.session.shown.length - chosen.length;
    this.accept(...chosen);
    if (numDoubles) say(`${chosen.length} accepted, not ${numDoubles} that show the same objects under other classes.`);
  }

  acceptPointedAt() {
    if (this.session.shown.includes(this.session.pointedAt)) this.accept(this.session.pointedAt);
  }

  remove(object = this.session.object) {
    if (!object) return;
    this.session.image.remove(object.key);
    say("Removed.");
    this.onEdit();
    this.onRemove();
  }

  undo() {
    if (!this.session.image?.canUndo) return;
    this.session.image.undo();
    say("Undone.");
    this.onEdit();
  }

  redo() {
    if (!this.session.image?.canRedo) return;
    this.session.image.redo();
    say("Redone.");
    this.onEdit();
  }

  giveClass() {
    const { object, category } = this.session;
    if (!object || object.categoryId === category) return;
    if (object.point) return this.revise(object, { categoryId: category });
    this.session.image.replace({ ...object, categoryId: category }); // its mask does not depend on the class
    this.onEdit();
  }

  // Draw the selected object again from its clicks.
  drawAgain() {
    const { object, takesPoints } = this.session;
    if (object?.point && takesPoints) this.revise(object, {});
  }
}
