// The worst pseudo masks of a run, one after the other: accept, fix or delete each of them.
//
// It looks to the page like a `Queue`, with an image for each mask.  A decision is saved at once.

import { annotationOf, LabelledImage, storedObject } from "./labels.js";
import { chooseDecision, complain } from "./messages.js";

const TRY_AGAIN_AFTER = 3000; // milliseconds

export class Review {
  isReview = true;
  fileName = "corrections.json";

  constructor(session, server, onChange) {
    Object.assign(this, { session, server, onChange });
  }

  async open() {
    const { classes, masks, command } = await this.server.review();
    this.command = command;
    this.session.classes = classes.map(({ id: category_id, name }) => ({ category_id, name }));
    this.session.images = masks.map((mask, i) => {
      const image = new LabelledImage(i + 1, null, mask.name, {});
      return Object.assign(image, { number: mask.annotation.id, isUnsaved: false }, this.#read(image, mask));
    });
  }

  // Take a mask as the server has it.
  #read(image, { annotation, state, revision }) {
    const object = storedObject(annotation);
    image.begin(state === "deleted" ? [] : [object]);
    return Object.assign(image, { state, revision, read: object });
  }

  async refresh() {
    const revisions = this.session.images.map(({ revision }) => revision);
    const { masks } = await this.server.review();
    for (const [i, image] of this.session.images.entries()) {
      // An answer from before a decision says nothing, even if the decision is saved by now.
      if (image.isUnsaved || image.revision !== revisions[i]) continue;
      if (masks[i] && masks[i].revision !== image.revision) this.#read(image, masks[i]);
    }
  }

  async load(image) {
    image.file ??= await this.server.imageOfMask(image.number);
  }

  forgetAllBut(images) {
    for (const image of this.session.images) if (!images.includes(image)) image.file = null;
  }

  // An edit is part of the next decision.
  changed() {
    this.onChange();
  }

  // Decide: "done" accepts the mask as it is now, "skipped" leaves it open.
  async setState(image, state) {
    if (state === "skipped") return;
    const [object] = image.objects;
    const isPending = object?.answer.state === "pending";
    if (state === "done" && object && (isPending || !object.answer.mask)) {
      return complain("There is no mask to accept: draw one, or delete the object.");
    }
    image.decision = state === "open" ? { decision: "undo" } : decisionOf(image, object);
    image.state = { undo: "open", delete: "deleted" }[image.decision.decision] ?? "done";
    image.isUnsaved = true;
    this.onChange();
    await this.#save(image);
  }

  async #save(image) {
    const { decision, revision } = image;
    try {
      const saved = await this.server.decide(image.number, { ...decision, revision });
      if (image.decision !== decision) return; // another one was made in the meantime
      Object.assign(image, { revision: saved.revision, isUnsaved: false, problem: null });
    } catch (error) {
      if (error.code === "conflict") await this.#settle(image, error);
      else this.#failed(image, error);
    }
    this.onChange();
  }

  async #settle(image, { message }) {
    const { masks } = await this.server.review();
    const theirs = masks.find(({ annotation }) => annotation.id === image.number);
    if (await chooseDecision(message)) {
      image.revision = theirs.revision;
      return this.#save(image);
    }
    image.isUnsaved = false;
    this.#read(image, theirs);
  }

  #failed(image, error) {
    image.problem = error.message;
    complain(`${image.name}: not saved yet. ${error.message}`);
    setTimeout(() => image.isUnsaved && this.#save(image), TRY_AGAIN_AFTER);
  }

  file() {
    return this.server.corrections();
  }

  get numUnsaved() {
    return this.session.images.filter((image) => image.isUnsaved).length;
  }

  count(state) {
    const { images } = this.session;
    if (state === "done") return images.filter((image) => image.state !== "open").length;
    return images.filter((image) => image.state === state).length;
  }

  nextOpen(image) {
    const { images } = this.session;
    const place = images.indexOf(image);
    const others = [...images.slice(place + 1), ...images.slice(0, Math.max(place, 0))];
    return others.find(({ state }) => state === "open");
  }
}

function decisionOf(image, object) {
  if (!object) return { decision: "delete" };
  const { categoryId, answer } = object;
  const isSame = categoryId === image.read.categoryId && answer.mask.counts === image.read.answer.mask.counts;
  if (isSame && image.state === "open") return { decision: "accept" };
  const { category_id, segmentation } = annotationOf(object);
  return { decision: "fix", category_id, segmentation };
}
