// Questions to the server about the images of a session, and what becomes of the answers.

import { question, storedSuggestion } from "./labels.js";
import { readMask } from "./masks.js";
import { askToken, complain, say } from "./messages.js";
import { Server } from "./server.js";

const LOWEST_SCORE = 0.05; // that the student is asked for; the slider hides the lowest

export class Asking {
  server = new Server(askToken);
  #known = null; // the promise of the models, without which there are no classes

  // `onModels(offers)` is called once the models are known, `onChange()` after every answer, and
  // `onMasks(image)` after those about points.
  constructor(session, { onModels, onChange, onMasks }) {
    Object.assign(this, { session, onModels, onChange, onMasks });
  }

  knowModels() {
    this.#known ??= this.#askModels().catch((error) => {
      this.#known = null; // the next image asks again
      throw error;
    });
    return this.#known;
  }

  async #askModels() {
    const { kind, models, ...offers } = await this.server.models();
    if (kind !== "segmenter") location.reload(); // another model is served now, with its own page
    const { takes_points: takesPoints } = offers;
    const classes = models.find((model) => model.name === "student")?.classes ?? [];
    Object.assign(this.session, { models, classes, takesPoints });
    await this.onModels(offers);
    if (!takesPoints && models.length) say("No teacher is served here: points are kept, but get no masks.");
  }

  // Ask what the student finds in an image, once.
  suggest(image) {
    return (image.suggesting ??= this.#askStudent(image));
  }

  async #askStudent(image) {
    const { session } = this;
    try {
      await this.knowModels();
      if (!session.findsObjects) return;
      const found = session.queue?.hasSuggestions ? await this.#stored(image) : await this.#segment(image);
      image.suggestions = found.sort(byScore);
      if (image === session.image) say(`The student found ${session.shown.length} objects.`);
    } catch (error) {
      image.suggesting = null; // asked again when it is displayed again
      complain(`${image.name}: ${error.message}`);
    }
    this.onChange();
  }

  async #segment(image) {
    const answer = await this.server.segment(image.file, LOWEST_SCORE);
    checkSize(image, answer.image);
    return answer.instances.map(suggestion);
  }

  async #stored(image) {
    const { objects } = await this.server.suggestions(image.name);
    const found = objects.map(storedSuggestion);
    for (const { mask } of found) checkSize(image, mask);
    return found;
  }

  // Ask for the masks of all pending points; points clicked in the meantime are in the next request.
  async askForMasks(image) {
    if (image.isAsking || !this.session.takesPoints) return;
    image.isAsking = true;
    for (let objects; (objects = image.objects.filter(isPending)).length; this.onChange()) {
      try {
        const answer = await this.server.points(image.file, image.imageId, objects.map(question));
        checkSize(image, answer.image);
        image.imageId = answer.image.id;
        objects.forEach((object, i) => take(object.answer, answer.instances[i]));
        this.onMasks(image);
      } catch (error) {
        for (const { answer } of objects) Object.assign(answer, { state: "failed", mask: null });
        complain(`${image.name}: ${error.message}`);
      }
    }
    image.isAsking = false;
  }
}

const isPending = (object) => object.answer.state === "pending";
const byScore = (one, other) => other.score - one.score;

function suggestion(instance) {
  return { categoryId: instance.category_id, score: instance.score, mask: readMask(instance) };
}

function take(answer, instance) {
  const mask = readMask(instance);
  const { score, expected_iou: expectedIou, flags } = instance;
  Object.assign(answer, { state: mask ? "mask" : "nothing", mask, score, expectedIou, flags });
  const iou = expectedIou === null ? "" : `, expected IoU ${expectedIou.toFixed(2)}`;
  say(mask ? `Mask with score ${score.toFixed(2)}${iou}.` : "No mask: the object stays a point.");
}

function checkSize(image, { width, height }) {
  if (width === image.width && height === image.height) return;
  const sizes = `${width} × ${height} on the server, ${image.width} × ${image.height} here`;
  throw new Error(`the image is ${sizes}. Save it without rotation and add it again.`);
}
