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
    const { images } = this.session;
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
    const bitmap = await createImageBitmap(image.file);
    if (this.#wanted !== image) return bitmap.close(); // another one was chosen in the meantime
    await this.display(image, bitmap);
    await this.ask(image);
    const next = this.#after(image, 1);
    if (next) await this.ask(next);
  }

  showNext(step) {
    const next = this.#after(this.session.image, step);
    if (next) this.show(next);
  }

  #after(image, step) {
    const { images } = this.session;
    return images[images.indexOf(image) + step];
  }
}
