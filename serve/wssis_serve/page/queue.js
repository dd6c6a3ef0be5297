// The images that the operator offers: read one by one, and saved as soon as they change.
//
// Each image has a revision on the server.  A save that is about an older one is refused with 409,
// and the person chooses.  What the server does not have yet is kept in this browser.

import { Drafts } from "./drafts.js";
import { annotationOf, LabelledImage, storedObject } from "./labels.js";
import { chooseLabels, complain } from "./messages.js";

const SAVE_AFTER = 300; // milliseconds without a further change
const TRY_AGAIN_AFTER = 3000;

export class Queue {
  fileName = "labels.json";
  #saving = new Map(); // from an image to the promise of its save
  #timers = new Map();
  #window = crypto.randomUUID?.() ?? String(Math.random()).slice(2); // no UUID without HTTPS

  // `onChange()` is called whenever something was read or saved.
  constructor(session, server, onChange) {
    Object.assign(this, { session, server, onChange });
  }

  // Read the list, and save what an earlier page could not.
  async open() {
    const { id, classes, images, has_suggestions: hasSuggestions } = await this.server.queue();
    this.hasSuggestions = hasSuggestions;
    this.drafts = new Drafts(id);
    this.session.classes = classes.map(({ id: category_id, name }) => ({ category_id, name }));
    this.session.images = images.map(({ name, state, num_objects: numStored }, i) => {
      const image = new LabelledImage(i + 1, null, name, {});
      return Object.assign(image, { state, numStored, ids: new Map(), version: 0, saved: 0 });
    });
    for (const name of this.drafts.names) {
      const image = this.session.images.find((known) => known.name === name);
      if (image) await this.readLabels(image).catch((error) => complain(error.message));
    }
  }

  // Read how far the images are by now; others may work on them too.
  async refresh() {
    const untouched = this.session.images.map((image) => [image, watch(image)]);
    const { images } = await this.server.queue();
    const known = new Map(images.map((image) => [image.name, image]));
    for (const [image, isUntouched] of untouched) {
      const { state, num_objects: numStored } = known.get(image.name) ?? image;
      if (isUntouched()) Object.assign(image, { state, numStored: numStored ?? image.numStored });
    }
  }

  // Make sure that an image is here, with its labels.
  async load(image) {
    image.file ??= await this.server.queuedImage(image.name);
    if (!isChanged(image)) await this.readLabels(image);
  }

  // Free the memory of images; they are read again when they are shown.
  forgetAllBut(images) {
    for (const image of this.session.images) {
      if (image.file && !images.includes(image)) {
        Object.assign(image, { file: null, suggestions: [], suggesting: null });
      }
    }
  }

  async readLabels(image) {
    const isUntouched = watch(image);
    const labels = await this.server.labels(image.name);
    const draft = this.drafts.get(image.name);
    if (labels.revision !== image.revision && isUntouched()) this.#take(image, labels);
    if (!draft || isChanged(image)) return;
    this.#take(image, draft);
    this.changed(image);
  }

  #take(image, { revision, state, objects }) {
    const stored = objects.map(storedObject);
    image.ids = new Map(stored.map((object, i) => [object.key, objects[i].id]));
    image.begin(stored);
    Object.assign(image, { revision, state });
  }

  setState(image, state) {
    image.state = state;
    this.changed(image);
    this.save(image);
  }

  // Save an image soon, and keep a copy until then.
  changed(image) {
    image.version++;
    this.drafts.keep(image.name, this.#labelsOf(image));
    this.#saveAfter(image, SAVE_AFTER);
    this.onChange();
  }

  #labelsOf(image) {
    const { ids, revision, state, objects } = image;
    const annotations = objects.map((object) => {
      const id = ids.get(object.key);
      return id === undefined ? annotationOf(object) : { id, ...annotationOf(object) };
    });
    return { revision, state, objects: annotations };
  }

  #saveAfter(image, milliseconds) {
    clearTimeout(this.#timers.get(image));
    this.#timers.set(image, setTimeout(() => this.save(image), milliseconds));
  }

  // The promise that everything of an image is saved; one save at a time.
  save(image) {
    const saving = (this.#saving.get(image) ?? Promise.resolve()).then(() => this.#save(image));
    this.#saving.set(image, saving);
    return saving;
  }

  async #save(image) {
    clearTimeout(this.#timers.get(image));
    if (!isChanged(image)) return;
    const { version, objects } = image;
    try {
      const labels = { ...this.#labelsOf(image), window: this.#window };
      const saved = await this.server.saveLabels(image.name, labels);
      objects.forEach((object, i) => image.ids.set(object.key, saved.objects[i].id));
      Object.assign(image, { revision: saved.revision, saved: version, numStored: objects.length });
      image.problem = null;
      if (!isChanged(image)) this.drafts.drop(image.name);
    } catch (error) {
      if (error.code === "conflict") await this.#settle(image, error);
      else this.#failed(image, error);
    }
    this.onChange();
  }

  // Somebody else saved the image in the meantime: let the person choose.
  async #settle(image, { message }) {
    const theirs = await this.server.labels(image.name);
    const keepsMine = await chooseLabels(message, image.objects.length, theirs.objects.length);
    if (keepsMine) {
      image.revision = theirs.revision;
      return this.#saveAfter(image, 0);
    }
    this.#take(image, theirs);
    image.saved = image.version;
    this.drafts.drop(image.name);
  }

  #failed(image, error) {
    image.problem = error.message;
    const isWrong = error.code === "unprocessable";
    const what = isWrong ? "not saved" : "not saved yet, kept in this browser";
    complain(`${image.name}: ${what}. ${error.message}`);
    if (!isWrong) this.#saveAfter(image, TRY_AGAIN_AFTER);
  }

  // The COCO file of all labels, once everything is saved.
  async file() {
    await Promise.all(this.session.images.filter(isChanged).map((image) => this.save(image)));
    return this.server.queuedFile();
  }

  get numUnsaved() {
    return this.session.images.filter(isChanged).length;
  }

  count(state) {
    return this.session.images.filter((image) => image.state === state).length;
  }

  // The next image that nobody has finished: after this one, then from the start, skipped ones last.
  nextOpen(image) {
    const { images } = this.session;
    const place = images.indexOf(image);
    const others = [...images.slice(place + 1), ...images.slice(0, Math.max(place, 0))];
    return others.find(({ state }) => state === "open") ?? others.find(({ state }) => state === "skipped");
  }
}

const isChanged = (image) => image.version !== image.saved;

// Tells, once the server has answered, whether its answer may stand: not if the image has changes
// that were not saved when the server was asked, even if they are saved by now.
function watch(image) {
  const { saved } = image;
  return () => image.version === saved;
}
