// What goes on here: the workers, the latest jobs, the latest pictures.

import { ask, place } from "./api.js";
import { find, make } from "./dom.js";

const EVERY = 1500;
let drawn = "";

export async function watch() {
  for (;;) {
    if (!document.hidden) await look().catch(() => undefined);
    await new Promise((go) => setTimeout(go, EVERY));
  }
}

async function look() {
  const [queue, jobs, outputs] = await Promise.all([ask("GET", "/queue"), ask("GET", "/jobs?limit=8"), ask("GET", "/outputs?limit=12")]);
  find("status").replaceChildren(...status(queue));
  find("jobs").replaceChildren(...(jobs.jobs.length ? jobs.jobs.map(row) : [nothing("li", "None yet")]));
  const pictures = outputs.outputs.filter((each) => each.media_type.startsWith("image/"));
  const ids = pictures.map((each) => each.id).join();
  if (ids !== drawn || !pictures.length) {
    drawn = ids;
    find("pictures").replaceChildren(...(pictures.length ? pictures.map(thumbnail) : [nothing("p", "None yet")]));
  }
}

const nothing = (tag, words) => make(tag, { class: "empty" }, words);

function status(queue) {
  const chips = queue.workers.map((worker) => chip(worker.state, `${worker.name} ${worker.state}`));
  if (queue.queued) chips.push(chip("queued", `${queue.queued} waiting`));
  if (queue.paused) chips.push(chip("paused", "paused"));
  return chips;
}

const chip = (state, words) => make("span", { class: "chip" }, make("span", { class: `dot ${state}` }), words);

function row(job) {
  const label = job.workflow || job.title || job.id;
  const parts = [make("span", { class: `dot ${job.state}`, title: job.state }), make("span", { class: "label", title: label }, label), make("span", { class: "when" }, when(job))];
  if (job.state === "running" && job.steps) {
    const bar = make("span", {});
    bar.style.width = `${(100 * (job.step || 0)) / job.steps}%`;
    parts.push(make("div", { class: "track" }, bar));
  }
  return make("li", {}, ...parts);
}

function when(job) {
  if (job.state === "queued") return job.position === null ? "queued" : `${job.position + 1}. in line`;
  if (job.state === "running") return job.node || "running";
  const seconds = (job.finished || job.created) - (job.started || job.created);
  return job.state === "succeeded" ? `${seconds.toFixed(1)} s` : job.state;
}

function thumbnail(output) {
  const picture = make("img", { src: place(output.id, 256), alt: output.file, loading: "lazy" });
  return make("a", { href: place(output.id), target: "_blank", rel: "noopener", title: output.file }, picture);
}
