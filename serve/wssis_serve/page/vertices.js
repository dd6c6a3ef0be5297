// The outline of the selected object as vertices that can be moved, added and removed.

import { drawRings, outlinesOf, redrawn, toSegment } from "./outlines.js";

const REACH = 9; // CSS pixels from a vertex or a side
const LEAST = 3; // vertices of a ring

export class Vertices {
  #rings = new WeakMap(); // of masks, so that vertices stay where they are while others move
  #held = null; // { before, rings, ring, place }: the ring and the place in it of the vertex that moves

  // `onDrawn(mask)` is called with the mask of the selected object after a change, null if nothing
  // is left of it; `onMiss(point)` when no vertex and no side is near.
  constructor(session, { view, onDrawn, onMiss }) {
    Object.assign(this, { session, view, onDrawn, onMiss });
  }

  get isHolding() {
    return Boolean(this.#held);
  }

  // What a `View` asks of its `stroke`.  A vertex is moved; a side gets a new one; with shift, a
  // vertex is removed.
  isOn() {
    return Boolean(this.session.object?.answer.mask);
  }

  start(point, { shiftKey = false } = {}) {
    const before = this.#ringsOf(this.session.object.answer.mask);
    const rings = before.map((ring) => [...ring]);
    const vertex = this.#vertexNear(rings, point);
    if (vertex && shiftKey) {
      rings[vertex.ring].splice(vertex.place, 1);
      return this.#finish(before, rings.filter((ring) => ring.length >= LEAST));
    }
    const side = !vertex && !shiftKey && this.#sideNear(rings, point);
    if (side) rings[side.ring].splice(side.place, 0, point);
    if (!vertex && !side) return this.onMiss(point);
    this.#held = { before, rings, ...(vertex ?? side) };
    this.view().redraw();
  }

  move(point) {
    if (!this.#held) return;
    const { rings, ring, place } = this.#held;
    rings[ring][place] = point;
    this.view().redraw();
  }

  end() {
    const held = this.#held;
    this.#held = null;
    if (held) this.#finish(held.before, held.rings);
  }

  #finish(before, rings) {
    const mask = redrawn(this.session.object.answer.mask, before, rings, this.session.image);
    if (mask) this.#rings.set(mask, rings);
    this.onDrawn(mask);
  }

  #ringsOf(mask) {
    if (!this.#rings.has(mask)) this.#rings.set(mask, outlinesOf(mask));
    return this.#rings.get(mask);
  }

  #vertexNear(rings, point) {
    const [x, y] = this.view().toCanvas(point);
    return nearest(rings, (vertex) => {
      const [left, top] = this.view().toCanvas(vertex);
      return Math.hypot(x - left, y - top);
    });
  }

  // The side that ends at the place that is returned.
  #sideNear(rings, point) {
    return nearest(rings, (vertex, ring, place) => {
      return toSegment(point, ring.at(place - 1), vertex) * this.view().scale;
    });
  }

  paint(context, colour) {
    const view = this.view();
    const mask = this.session.object?.answer.mask;
    if (!mask) return;
    const rings = (this.#held?.rings ?? this.#ringsOf(mask)).map((ring) => ring.map((point) => view.toCanvas(point)));
    view.inCanvas(context);
    Object.assign(context, { lineWidth: 1.5, strokeStyle: "#fff" });
    drawRings(context, rings);
    context.stroke();
    for (const [x, y] of rings.flat()) {
      context.beginPath();
      context.rect(x - 3.5, y - 3.5, 7, 7);
      Object.assign(context, { fillStyle: colour, strokeStyle: "#000", lineWidth: 1 });
      context.fill();
      context.stroke();
    }
  }
}

// The ring and the place in it of the vertex for which `distance` is least and within reach.
function nearest(rings, distance) {
  let [found, least] = [null, REACH];
  rings.forEach((points, ring) => {
    points.forEach((vertex, place) => {
      const away = distance(vertex, points, place);
      if (away <= least) [found, least] = [{ ring, place }, away];
    });
  });
  return found;
}
