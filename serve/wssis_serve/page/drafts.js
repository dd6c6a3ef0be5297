// A copy in this browser of labels that the server does not have yet: it survives a reload or a crash.

import { complain } from "./messages.js";

export class Drafts {
  // `id` tells the labels of one project from those of others.
  constructor(id) {
    this.prefix = `wssis-labels ${id} `;
  }

  keep(name, labels) {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(labels));
    } catch {
      complain("This browser has no room for a copy of the labels: keep the page open until they are saved.");
    }
  }

  // The labels that were kept for a name; null if there are none.
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(this.prefix + name));
    } catch {
      return null;
    }
  }

  drop(name) {
    localStorage.removeItem(this.prefix + name);
  }

  get names() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
    return keys.map((key) => key.slice(this.prefix.length));
  }
}
