// The images of a page: each is added once, and one at a time is displayed.

import { freeName, isSame, unreadable } from "./incoming.js";
import { complain, say } from "./messages.js";

export class Gallery {
  #wanted = null; // the image to show, while it is decoded and after

  // `create(file, name, bitmap)` makes an image, `display(image, bitmap)` puts it on the screen,
  // and `ask(image)` asks the server about it.
  constructor(session, panels, actions) {
    Object.assign(this, { session, panels, ...actions });
  }

  async add(files) {
    const { images, queue } = this.session;
    if (queue) return complain("Images here come from a folder on the server: put more of them there.");
    for (const file of files) {
      if (images.some((image) => isSame(image.file, file))) {
        say(`${file.name} has already been added.`);
        continue;
      }
      try {
        const bitmap = await createImageBitmap(file);
        const image = this.create(file, freeName(file.name, images), bitmap);
        images.push(image);
        this.panels.strip.add(image, bitmap);
        bitmap.close();
        if (!this.#wanted) this.show(image);
      } catch {
        complain(unreadable(file));
      }
    }
    this.panels.update();
  }

  async show(image) {
    this.#wanted = image;
    const bitmap = await this.#open(image);
    if (!bitmap) return;
    if (this.#wanted !== image) return bitmap.close(); // another one was chosen in the meantime
    await this.display(image, bitmap);
    await this.ask(image);
    await this.#prepareNext(image);
  }

  // Have the student look at the image that is probably next.
  async #prepareNext(image) {
    const { queue } = this.session;
    const next = queue ? queue.nextOpen(image) : this.#after(image, 1);
    if (!next || this.#wanted !== image) return;
    queue?.forgetAllBut([image, next]);
    if (queue) {
      const bitmap = await this.#open(next); // its size is compared with that on the server
      if (!bitmap) return;
      bitmap.close();
    }
    await this.ask(next);
  }

  // The pixels of an image; one of the queue is read first.
  async #open(image) {
    const { queue } = this.session;
    if (!queue) return createImageBitmap(image.file);
    try {
      await queue.load(image);
    } catch (error) {
      return complain(`${image.name}: ${error.message}`);
    }
    try {
      const bitmap = await createImageBitmap(image.file);
      const { width, height } = bitmap;
      Object.assign(image, { width, height });
      this.panels.strip.add(image, bitmap);
      return bitmap;
    } catch {
      return complain(unreadable({ name: image.name, type: "image/" }));
    }
  }

  showNext(step) {
    const next = this.#after(this.#wanted, step); // keys may be quicker than images
    if (next) this.show(next);
  }

  #after(image, step) {
    const { images } = this.session;
    return images[images.indexOf(image) + step];
  }
}
