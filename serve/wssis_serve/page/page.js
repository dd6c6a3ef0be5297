// The page: images come in, a person points, the server draws masks, labels go out.

import { Asking } from "./asking.js";
import { Gallery } from "./gallery.js";
import { listenForFiles, saveAs } from "./incoming.js";
import { commandOf, showKeys } from "./keys.js";
import { LabelledImage, acceptedObject, askedAgain, drawnObject, pointedObject, toCoco } from "./labels.js";
import { forgetTiles } from "./masks.js";
import { complain, say } from "./messages.js";
import { Overlay } from "./overlay.js";
import { Pen, TOOLS, drawn } from "./pen.js";
import { Panels } from "./panels.js";
import { Queue } from "./queue.js";
import { Review } from "./review.js";
import { session } from "./session.js";
import { View } from "./view.js";

const MARKER_REACH = 9; // CSS pixels: a click this near to a point selects its object
const [STEP, FINE_STEP] = [12, 1]; // CSS pixels of the crosshair

const element = (id) => document.getElementById(id);
const canvas = element("canvas");

const asking = new Asking(session, {
  onModels: async ({ has_queue: hasQueue, has_review: hasReview }) => {
    if (hasQueue) await openQueue(Queue);
    if (hasReview) await openQueue(Review);
    element("of-student").hidden = !session.findsObjects;
    panels.showClasses();
    pickClass(session.classes[0].category_id);
    if (session.queue) gallery.show(session.queue.nextOpen(null) ?? session.images[0]);
  },
  onChange: changed,
  onMasks: (image) => session.queue?.changed(image),
});
const overlay = new Overlay(session);
const pen = new Pen({ toolOf: mode, onStart: startStroke, onDrawn: finishStroke });
const view = new View(canvas, {
  paint: (context) => {
    overlay.paint(context, view);
    pen.paint(context, view, session.colour, session.pointer);
  },
  stroke: pen.strokeOn(() => view),
  onClick: (point, event) => click(point, modeOf(event)),
  onHover: hover,
});
const panels = new Panels(session, {
  accept,
  askAgain: (object) => revise(object, {}),
  pickClass,
  point: pointAt,
  remove,
  select,
  show: (image) => gallery.show(image),
});

// Images

const gallery = new Gallery(session, panels, {
  create: (file, name, bitmap) => new LabelledImage(session.images.length + 1, file, name, bitmap),
  display,
  ask: (image) => asking.suggest(image),
});

function display(image, bitmap) {
  Object.assign(session, { image, selected: null, pointedAt: null, crosshair: null });
  forgetTiles();
  view.show(bitmap);
  if (session.queue?.isReview) showMask(image);
  changed();
}

// A review has one object an image: clicks are on it, and it is accepted or deleted.
function prepareReview() {
  element("finish").textContent = "Accept, next";
  Object.assign(element("skip"), { textContent: "Delete, next", title: "Delete" });
  document.querySelector("[name=mode][value=new]").closest("label").hidden = true;
  commands.mode("on");
}

// Of a review, select the mask and look at it closely.
function showMask(image) {
  const object = image.objects[0] ?? image.read;
  session.selected = object.key;
  pickClass(object.categoryId);
  view.frame(object.answer.mask.bbox);
}

// The images of a folder on the server

async function openQueue(Kind) {
  const queue = new Kind(session, asking.server, changed);
  await queue.open();
  session.queue = queue;
  if (queue.isReview) prepareReview();
  for (const id of ["choose", "empty"]) element(id).hidden = true;
}

function mark(state) {
  const { queue, image } = session;
  if (queue && image) queue.setState(image, state);
}

async function nextOpen() {
  const { queue, image } = session;
  if (!queue) return;
  await queue.refresh().catch((error) => complain(error.message));
  const next = queue.nextOpen(image);
  if (next) gallery.show(next);
  else say(queue.command ? `All masks are judged. To learn from that: ${queue.command}` : "All images are done.");
}

function finish() {
  mark("done");
  return nextOpen();
}

function skip() {
  if (session.queue?.isReview) return remove();
  mark("skipped");
  return nextOpen();
}

// Labels

function modeOf({ shiftKey, altKey, ctrlKey, metaKey, button }) {
  if (shiftKey || button === 2) return "off";
  if (altKey || ctrlKey || metaKey) return "on";
  return mode();
}

function mode() {
  return document.querySelector("[name=mode]:checked").value;
}

function click(point, mode) {
  const { object, queue } = session;
  if (queue?.isReview && object && mode === "new") return click(point, "on");
  if (TOOLS.includes(mode)) {
    pen.onDrawn({ tool: mode, points: [point], width: pen.width / view.scale }); // by the crosshair
    return;
  }
  if (mode === "new") {
    const near = objectNear(point);
    if (near) return select(near.key);
    if (session.category === null) return complain("No class is picked.");
    const added = withoutServer(pointedObject(session.category, point));
    session.image.add(added);
    session.selected = added.key;
  } else if (!object) {
    return complain("Select an object first: click its point, or its row in the list.");
  } else if (object.point) {
    const [x, y] = point;
    const clicks = [...object.clicks, { x, y, positive: mode === "on" }];
    return revise(object, { clicks });
  } else if (mode === "on") {
    return revise(object, { point }); // found by the student, and now pointed at
  } else {
    return complain("This object has no point yet: alt + click it first.");
  }
  edited();
}

// A stroke begins: true if there is something that it may change.
function startStroke(tool) {
  if (tool === "eraser" && !session.object?.answer.mask) complain("Select an object with a mask first.");
  else if (!session.object && session.category === null) complain("No class is picked.");
  else return true;
  return false;
}

// A stroke changes the selected object, or begins one of the picked class.
function finishStroke(stroke) {
  const { object: old, image, category } = session;
  if (stroke.tool === "eraser" && !old?.answer.mask) return;
  const mask = drawn(old?.answer.mask ?? null, stroke, image);
  if (!mask && !old) return;
  if (!mask) return remove(old);
  const object = drawnObject(old, category, mask);
  if (old) image.replace(object);
  else image.add(object);
  session.selected = object.key;
  edited();
}

function objectNear(point) {
  const [x, y] = view.toCanvas(point);
  return session.objects.findLast((object) => {
    if (!object.point) return false;
    const [left, top] = view.toCanvas(object.point);
    return Math.hypot(x - left, y - top) <= MARKER_REACH;
  });
}

// Change an object and ask for its mask again.
function revise(object, change) {
  session.image.replace(withoutServer(askedAgain(object, change)));
  edited();
}

// If no teacher is served, the point is all that can be known.
function withoutServer(object) {
  if (!session.takesPoints) object.answer = { state: "point", mask: null };
  return object;
}

function accept(...suggestions) {
  if (!suggestions.length) return;
  session.image.add(...suggestions.map(acceptedObject));
  session.selected = session.objects.at(-1).key;
  session.pointedAt = null;
  say(suggestions.length === 1 ? "Accepted." : `${suggestions.length} accepted.`);
  edited();
}

function acceptPointedAt() {
  if (session.shown.includes(session.pointedAt)) accept(session.pointedAt);
}

function remove(object = session.object) {
  if (!object) return;
  session.image.remove(object.key);
  say("Removed.");
  edited();
  if (session.queue?.isReview) finish(); // no object is left: it is deleted
}

function undo() {
  if (!session.image?.canUndo) return;
  session.image.undo();
  say("Undone.");
  edited();
}

function redo() {
  if (!session.image?.canRedo) return;
  session.image.redo();
  say("Redone.");
  edited();
}

function giveClass() {
  const { object, category } = session;
  if (!object || object.categoryId === category) return;
  if (object.point) return revise(object, { categoryId: category });
  session.image.replace({ ...object, categoryId: category }); // its mask does not depend on the class
  edited();
}

function select(key) {
  session.selected = key;
  panels.mark();
  view.redraw();
}

function selectNext(step) {
  const { objects } = session;
  if (!objects.length) return;
  const place = objects.findIndex((object) => object.key === session.selected);
  const start = place < 0 && step < 0 ? 0 : place;
  select(objects[(start + step + objects.length) % objects.length].key);
}

function pickClass(id) {
  session.category = id;
  panels.mark();
}

function edited() {
  session.isDownloaded = Boolean(session.queue);
  session.queue?.changed(session.image);
  if (!session.object) session.selected = null;
  changed();
  asking.askForMasks(session.image);
}

async function download() {
  const { queue } = session;
  if (queue) return saveAs(queue.fileName, [await queue.file()], "application/json");
  const coco = toCoco(session.images, session.classes, session.models);
  if (!coco.annotations.length) return;
  saveAs("labels.json", [JSON.stringify(coco)], "application/json");
  session.isDownloaded = true;
  say(`${coco.annotations.length} objects in ${coco.images.length} images downloaded.`);
}

// Pointing without a mouse

function toggleCrosshair() {
  if (!session.image) return;
  const { width, height } = session.image;
  session.crosshair = session.crosshair ? null : [width / 2, height / 2];
  canvas.focus();
  view.redraw();
}

function moveCrosshair(across, down, isFine) {
  const step = (isFine ? FINE_STEP : STEP) / view.scale;
  const { width, height } = session.image;
  const within = (value, end) => Math.floor(100 * Math.min(Math.max(value, 0), end - 0.01)) / 100;
  const [x, y] = session.crosshair;
  session.crosshair = [within(x + across * step, width), within(y + down * step, height)];
  hover(session.crosshair);
}

function hover(point) {
  session.pointer = point;
  const found = point && overlay.topmost(point);
  canvas.classList.toggle("is-over", Boolean(point));
  pointAt(found ?? null);
}

function pointAt(thing) {
  session.pointedAt = thing;
  panels.mark();
  view.redraw();
}

function back() {
  if (session.crosshair) session.crosshair = null;
  else if (!session.queue?.isReview) session.selected = null;
  panels.mark();
  view.redraw();
}

// Updates of the screen

function changed() {
  panels.update();
  view.redraw();
}

const commands = {
  finish,
  reopen: () => mark("open"),
  nextOpen,
  skip,
  next: () => gallery.showNext(1),
  previous: () => gallery.showNext(-1),
  pick: (digit) => session.classes[digit - 1] && pickClass(session.classes[digit - 1].category_id),
  find: () => element("find").focus(),
  giveClass,
  mode: (value) => (document.querySelector(`[name=mode][value=${value}]`).checked = true),
  resize: (step) => {
    pen.resize(step);
    view.redraw();
  },
  drawAgain: () => session.object?.point && session.takesPoints && revise(session.object, {}),
  accept: acceptPointedAt,
  acceptAll: () => accept(...session.shown),
  selectNext,
  remove: () => remove(),
  undo,
  redo,
  back,
  toggleCrosshair,
  hide: () => {
    session.areMasksHidden = !session.areMasksHidden;
    view.redraw();
  },
  zoom: (factor) => view.zoom(factor),
  fit: () => view.fit(),
  choose: () => element("files").click(),
  download,
  help: () => element("keys").showModal(),
};

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  if (session.crosshair && event.target === canvas && crosshairKey(event)) return event.preventDefault();
  const command = commandOf(event);
  if (!command) return;
  event.preventDefault();
  commands[command.name](command.value);
}

// Let the crosshair handle a key; true if it did.
function crosshairKey(event) {
  const { key } = event;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (moves[key]) moveCrosshair(...moves[key], event.shiftKey);
  else if (key === "Enter") click(session.crosshair, modeOf(event));
  return key === "Enter" || key in moves;
}

function listen() {
  for (const name of ["undo", "redo", "download", "fit", "help", "finish", "skip"]) {
    element(name).onclick = () => commands[name]();
  }
  element("next-open").onclick = nextOpen;
  element("done").onchange = ({ target }) => mark(target.checked ? "done" : "open");
  element("previous").onclick = commands.previous;
  element("next").onclick = commands.next;
  element("smaller").onclick = () => view.zoom(1 / 1.5);
  element("larger").onclick = () => view.zoom(1.5);
  element("accept-all").onclick = commands.acceptAll;
  element("threshold").oninput = ({ target }) => {
    session.threshold = Number(target.value);
    changed();
  };
  listenForFiles((files) => gallery.add(files));
  document.addEventListener("keydown", onKey);
  element("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
  addEventListener("beforeunload", (event) => {
    if (!session.isDownloaded || session.queue?.numUnsaved) event.preventDefault();
  });
}

showKeys(element("key-list"));
listen();
asking.knowModels().catch((error) => complain(error.message));
