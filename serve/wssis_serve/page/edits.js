// Edits of the labels of an image, each of which can be undone: clicks, strokes, and what is accepted.

import { acceptedObject, askedAgain, drawnObject, pointedObject, withoutDoubles } from "./labels.js";
import { contains } from "./masks.js";
import { complain, say } from "./messages.js";
import { partsAfterCut, united } from "./parts.js";
import { drawn, drawStroke } from "./pen.js";

const MARKER_REACH = 9; // CSS pixels: a click this near to a point selects its object

export class Edits {
  // `view()` is that of the page; `onEdit()` is called after every edit, `onRemove()` after an object
  // was removed, and `onSelect(key)` when a click selects an object.
  constructor(session, { view, onEdit, onRemove, onSelect }) {
    Object.assign(this, { session, view, onEdit, onRemove, onSelect });
  }

  click(point, mode) {
    const { object, queue } = this.session;
    if (queue?.isReview && object && mode === "new") return this.click(point, "on");
    if (mode === "vertices") {
      const under = this.objectOn(point);
      return under ? this.onSelect(under.key) : complain("Click an object that has a mask.");
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
    const { object, category } = this.session;
    const needsMask = ["eraser", "cut"].includes(tool);
    if (needsMask && !object?.answer.mask) complain("Select an object with a mask first.");
    else if (!object && category === null) complain("No class is picked.");
    else return true;
    return false;
  }

  // A stroke changes the selected object, or begins one of the picked class.
  finishStroke(stroke) {
    const mask = this.session.object?.answer.mask ?? null;
    if (stroke.tool === "cut") this.split(stroke);
    else if (mask || stroke.tool !== "eraser") this.draw(drawn(mask, stroke, this.session.image));
  }

  // The selected object has this mask, or none any more; if no object is selected, one begins.
  draw(mask) {
    const { object: old, image, category } = this.session;
    if (!mask) return old && this.remove(old);
    const object = drawnObject(old, category, mask);
    if (old) image.replace(object);
    else image.add(object);
    this.session.selected = object.key;
    this.onEdit();
  }

  // Make the parts of the selected object's mask objects of their own.  The one with the point
  // stays that object.
  split(stroke) {
    const { object, image } = this.session;
    const parts = partsAfterCut(object.answer.mask, (context) => drawStroke(context, stroke), image);
    if (parts.length < 2) return complain("A cut must run through the mask, from side to side.");
    const own = parts.find((part) => object.point && contains(part, ...object.point)) ?? parts[0];
    const clicks = object.clicks.filter(({ x, y, positive }) => !positive || contains(own, x, y));
    const rest = parts.filter((part) => part !== own);
    const pieces = [
      { ...drawnObject(object, object.categoryId, own), clicks },
      ...rest.map((part) => drawnObject(null, object.categoryId, part)),
    ];
    image.change(image.objects.flatMap((old) => (old === object ? pieces : [old])));
    say(`Cut into ${parts.length} objects.`);
    this.onEdit();
  }

  // Make the selected object and the one under the pointer one object.
  merge() {
    const { object, pointedAt: other, image } = this.session;
    const canMerge = object?.answer.mask && other !== object && image.objects.includes(other) && other.answer.mask;
    if (!canMerge) return complain("Select an object, and point at the other one; both need a mask.");
    const mask = united([object.answer.mask, other.answer.mask], image);
    const points = object.point && other.point ? [{ x: other.point[0], y: other.point[1], positive: true }] : [];
    const merged = {
      ...drawnObject(object, object.categoryId, mask),
      point: object.point ?? other.point,
      clicks: [...object.clicks, ...points, ...other.clicks.filter(({ positive }) => positive)],
    };
    const others = image.objects.filter((old) => old !== other);
    image.change(others.map((old) => (old === object ? merged : old)));
    say("Merged.");
    this.onEdit();
  }

  // The object with the smallest mask around a point.
  objectOn(point) {
    const around = this.session.objects.filter(({ answer }) => answer.mask && contains(answer.mask, ...point));
    return around.sort((one, other) => one.answer.mask.area - other.answer.mask.area)[0];
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
