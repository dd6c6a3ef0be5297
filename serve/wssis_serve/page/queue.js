// The images that the operator offers: read one by one, and saved as soon as they change.
//
// Each image has a revision on the server.  A save that is about an older one is refused with 409,
// and the person chooses.  What the server does not have yet is kept in this browser.  A browser that
// is killed may forget that it dropped such a draft: the server knows which changes it has.

import { Drafts } from "./drafts.js";
import { chooseLabels, complain } from "./messages.js";

const SAVE_AFTER = 300; // milliseconds without a further change
const TRY_AGAIN_AFTER = 3000;

export class Queue {
  #saving = new Map(); // from an image to the promise of its save
  #timers = new Map();
  #window = crypto.randomUUID?.() ?? String(Math.random()).slice(2); // no UUID without HTTPS

  // `kind` says what the labels of an image are, see labels.js and class_map/images.js; `onChange()`
  // is called whenever something was read or saved.
  constructor(session, server, kind, onChange) {
    Object.assign(this, { session, server, kind, onChange });
  }

  get fileName() {
    return this.kind.fileName;
  }

  // Read the list, and save what an earlier page could not.
  async open() {
    const { id, classes, images, has_suggestions: hasSuggestions } = await this.server.queue();
    this.hasSuggestions = hasSuggestions;
    this.drafts = new Drafts(id);
    this.session.classes = this.kind.classes(classes);
    this.session.images = images.map(({ name, state, num_labels: numStored }, i) => {
      const image = this.kind.create(i + 1, name);
      return Object.assign(image, { state, numStored, changes: 0, saved: 0 });
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
      const { state, num_labels: numStored } = known.get(image.name) ?? image;
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
        image.file = null;
        image.forget();
      }
    }
  }

  async readLabels(image) {
    const isUntouched = watch(image);
    const labels = await this.server[this.kind.read](image.name);
    const draft = this.drafts.get(image.name);
    if (labels.revision !== image.revision && isUntouched()) this.#take(image, labels);
    if (!draft || isChanged(image)) return;
    const saved = labels.saves.find(({ window }) => window === draft.window);
    if (draft.change <= saved?.change) return this.drafts.drop(image.name);
    if (saved?.revision === labels.revision) draft.revision = labels.revision; // it was begun before that save
    this.#take(image, draft);
    this.changed(image);
  }

  #take(image, labels) {
    const { revision, state } = labels;
    image.takeStored(labels);
    Object.assign(image, { revision, state });
  }

  setState(image, state) {
    image.state = state;
    this.changed(image);
    this.save(image);
  }

  // Save an image soon, and keep a copy until then.
  changed(image) {
    image.changes++;
    this.drafts.keep(image.name, this.#labelsOf(image));
    this.#saveAfter(image, SAVE_AFTER);
    this.onChange();
  }

  #labelsOf(image) {
    const { revision, state, changes } = image;
    return { revision, state, ...image.toStore(), window: this.#window, change: changes };
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
    const { changes, numLabels } = image;
    const wasStored = image.sent();
    try {
      const stored = await this.server[this.kind.save](image.name, this.#labelsOf(image));
      wasStored(stored);
      Object.assign(image, { revision: stored.revision, saved: changes, numStored: numLabels });
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
    const theirs = await this.server[this.kind.read](image.name);
    const keepsMine = await chooseLabels(message, this.kind.count(image.toStore()), this.kind.count(theirs));
    if (keepsMine) {
      image.revision = theirs.revision;
      return this.#saveAfter(image, 0);
    }
    this.#take(image, theirs);
    image.saved = image.changes;
    this.drafts.drop(image.name);
  }

  #failed(image, error) {
    image.problem = error.message;
    const isWrong = error.code === "unprocessable";
    const what = isWrong ? "not saved" : "not saved yet, kept in this browser";
    complain(`${image.name}: ${what}. ${error.message}`);
    if (!isWrong) this.#saveAfter(image, TRY_AGAIN_AFTER);
  }

  // The file of all labels, once everything is saved.
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

const isChanged = (image) => image.changes !== image.saved;

// Tells, once the server has answered, whether its answer may stand: not if the image has changes
// that were not saved when the server was asked, even if they are saved by now.
function watch(image) {
  const { saved } = image;
  return () => image.changes === saved;
}
