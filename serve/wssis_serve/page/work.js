// The way through the images: those of a queue or a review, or dropped ones; and where their labels
// are kept.

import { Drafts } from "./drafts.js";
import { complain, say } from "./messages.js";
import { Queue } from "./queue.js";
import { Review } from "./review.js";

const element = (id) => document.getElementById(id);

export class Work {
  // `kind` says what the labels of an image are, as in `Queue`.  `show(image)` displays an image,
  // `showNext()` the next one, `onChange()` is called whenever something was read or saved.
  constructor(session, { server, kind, show, showNext, onChange }) {
    Object.assign(this, { session, server, kind, show, showNext, onChange });
    this.copies = new Drafts(kind.copies);
  }

  // Find out whether the server offers work, and what.
  async open({ has_queue: hasQueue, has_review: hasReview }) {
    if (!hasQueue && !hasReview) return;
    const { session, server, kind, onChange } = this;
    const queue = hasReview ? new Review(session, server, onChange) : new Queue(session, server, kind, onChange);
    await queue.open();
    this.session.queue = queue;
    for (const id of ["choose", "empty"]) element(id).hidden = true;
    if (queue.isReview) prepareReview();
  }

  mark(state) {
    const { queue, image } = this.session;
    if (!image) return;
    if (queue) return queue.setState(image, state);
    image.state = state;
    this.keep(image);
    this.session.isDownloaded = false;
    this.onChange();
  }

  finish() {
    this.mark("done");
    return this.nextOpen();
  }

  skip() {
    this.mark("skipped");
    return this.nextOpen();
  }

  async nextOpen() {
    const { queue, image } = this.session;
    if (!queue) return this.showNext();
    await queue.refresh().catch((error) => complain(error.message));
    const next = queue.nextOpen(image);
    if (next) this.show(next);
    else say(queue.command ? `All masks are judged. To learn from that: ${queue.command}` : "All images are done.");
  }

  // Keep the labels of an image, wherever they belong.  Those of a dropped one have only this
  // browser; they come back with the image.
  keep(image) {
    if (this.session.queue) return this.session.queue.changed(image);
    this.copies.keep(copyKey(image.file), { state: image.state, ...image.toStore() });
  }

  restore(image) {
    const copy = this.copies.get(copyKey(image.file));
    if (!copy) return image;
    image.takeStored(copy);
    this.session.isDownloaded = false;
    say(`${image.name}: ${this.kind.count(copy)} are back, from the copy in this browser.`);
    return Object.assign(image, { state: copy.state });
  }
}

const copyKey = ({ name, size, lastModified }) => `${name} ${size} ${lastModified}`;

// A review has one object an image: clicks are on it, and it is accepted or deleted.
function prepareReview() {
  element("finish").textContent = "Accept, next";
  Object.assign(element("skip"), { textContent: "Delete, next", title: "Delete" });
  for (const mode of ["new", "cut"]) document.querySelector(`[name=mode][value=${mode}]`).closest("label").hidden = true;
  document.querySelector("[name=mode][value=on]").checked = true;
}
