// How far the images are that the operator offers, and whether everything is saved.

const element = (id) => document.getElementById(id);

export function showProgress({ queue, image, images }) {
  element("queue").hidden = !queue;
  if (!queue) return;
  const [numDone, numSkipped] = [queue.count("done"), queue.count("skipped")];
  const skipped = numSkipped ? `, ${numSkipped} skipped` : "";
  element("progress").textContent = `${numDone} of ${images.length} done${skipped}`;
  Object.assign(element("progress-bar"), { max: images.length, value: numDone });
  element("done").checked = image && ["done", "deleted"].includes(image.state);
  const { numUnsaved } = queue;
  element("saved").textContent = numUnsaved ? `saving ${numUnsaved} …` : "all saved";
  if (image?.problem) element("saved").textContent = "not saved";
  element("saved").classList.toggle("error", Boolean(image?.problem));
}

// The number of labels of an image, also of one that was not read yet.
export const numLabels = (image) => (image.revision || !image.numStored ? image.numLabels : image.numStored);
