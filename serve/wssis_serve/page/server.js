// Requests to the server, and their errors.
//
// URLs are relative to the page, so that it also works behind a prefix.

const TOKEN_KEY = "wssis-token"; // in sessionStorage: forgotten with the tab
const MOST_TRIES = 4; // while the server is busy
const LONGEST_WAIT = 30; // seconds
const MOST_INSTANCES = 1000; // the server may have a lower limit

export class ServerError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export class Server {
  #askToken;
  #asked = null; // the promise of a token, while one is asked for

  // `askToken(isFirst)` returns the promise of a token.
  constructor(askToken) {
    this.#askToken = askToken;
  }

  models() {
    return this.#ask("v1/models");
  }

  // All instances of an image with a score of at least `threshold`.
  segment(file, threshold) {
    return this.#ask("v1/segment", { image: file, threshold, max_instances: MOST_INSTANCES });
  }

  // The class map of an image: a gray PNG of labels, and the classes that it shows.  `tags` are the
  // names of the classes that it may show; none of them: all.
  classMap(file, tags) {
    const restriction = tags.length ? { tags: JSON.stringify(tags) } : {};
    return this.#ask("v1/segment", { image: file, format: "gray", ...restriction });
  }

  // One instance for each point.  The image is only sent if the server does not know its id.
  async points(file, imageId, points) {
    const fields = { points: JSON.stringify(points) };
    if (imageId) {
      try {
        return await this.#ask("v1/segment/points", { image_id: imageId, ...fields });
      } catch (error) {
        if (error.code !== "unknown_image") throw error;
      }
    }
    return this.#ask("v1/segment/points", { image: file, ...fields });
  }

  // The images to label, and how far they are.
  queue() {
    return this.#ask("v1/queue");
  }

  // The file of an image to label.
  async queuedImage(name) {
    return (await this.#answer(`v1/queue/images/${inAddress(name)}`)).blob();
  }

  labels(name) {
    return this.#ask(`v1/queue/labels/${inAddress(name)}`);
  }

  // What a file of the operator suggests for an image.
  suggestions(name) {
    return this.#ask(`v1/queue/suggestions/${inAddress(name)}`);
  }

  async saveLabels(name, labels) {
    return (await this.#answer(`v1/queue/labels/${inAddress(name)}`, asJson(labels))).json();
  }

  strokes(name) {
    return this.#ask(`v1/queue/strokes/${inAddress(name)}`);
  }

  async saveStrokes(name, strokes) {
    return (await this.#answer(`v1/queue/strokes/${inAddress(name)}`, asJson(strokes))).json();
  }

  // The file of all labels.
  async queuedFile() {
    return (await this.#answer("v1/queue/file")).blob();
  }

  // The masks to review, the worst first.
  review() {
    return this.#ask("v1/review");
  }

  async imageOfMask(number) {
    return (await this.#answer(`v1/review/${number}/image`)).blob();
  }

  async decide(number, decision) {
    return (await this.#answer(`v1/review/${number}`, asJson(decision))).json();
  }

  // The COCO file of all corrections.
  async corrections() {
    return (await this.#answer("v1/review/file")).blob();
  }

  async #ask(address, fields) {
    return (await this.#answer(address, fields && form(fields))).json();
  }

  // An answer that is no error.  Waits for a busy server, and asks for a token if one is needed.
  async #answer(address, body) {
    for (let tries = 1; ; ) {
      const token = sessionStorage.getItem(TOKEN_KEY);
      const response = await send(address, body, token);
      if (response.ok) return response;
      if (response.status === 401) {
        await this.#newToken(token);
      } else if (![429, 503].includes(response.status) || tries++ === MOST_TRIES) {
        throw await errorOf(response);
      } else {
        const seconds = Number(response.headers.get("Retry-After")) || 1;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, LONGEST_WAIT)));
      }
    }
  }

  // Requests that are refused at the same time wait for the same token.
  async #newToken(refused) {
    if (sessionStorage.getItem(TOKEN_KEY) !== refused) return; // there already is a newer one
    this.#asked ??= this.#askToken(refused === null).finally(() => (this.#asked = null));
    sessionStorage.setItem(TOKEN_KEY, await this.#asked);
  }
}

const inAddress = (name) => name.split("/").map(encodeURIComponent).join("/");

const asJson = (values) => new Blob([JSON.stringify(values)], { type: "application/json" });

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  return body;
}

async function send(address, body, token) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  try {
    // Without credentials: otherwise the browser would ask for a password before the page does.
    return await fetch(address, { method: body ? "POST" : "GET", body, headers, credentials: "omit" });
  } catch {
    throw new ServerError("The server does not answer. Is it still running?", "unreachable");
  }
}

async function errorOf(response) {
  const error = (await response.json().catch(() => null))?.error;
  return new ServerError(error?.message ?? `The server answered ${response.status}.`, error?.code);
}
