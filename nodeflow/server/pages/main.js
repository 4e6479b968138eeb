// The page: log in, choose a workflow, fill its form in, see what comes of it.

import { ask, place, Refused } from "./api.js";
import { find, make, show } from "./dom.js";
import { fieldsOf } from "./form.js";
import { watch } from "./watch.js";

const LOOK_AGAIN = 350;
const CAME_IN = "came-in";
let fields = [];
let chosen = null;
let running = null;

async function begin() {
  const me = await ask("GET", "/me");
  show("door", me.login);
  show("room", !me.login);
  show("leave", !me.login && (me.client !== "local" || sessionStorage.getItem(CAME_IN) !== null));
  if (me.login) return find("token").focus();
  await list();
  watch();
}

async function list() {
  const { workflows } = await ask("GET", "/workflows");
  const latest = workflows.filter((each, at) => at === 0 || workflows[at - 1].name !== each.name);
  find("workflows").replaceChildren(...latest.map(entry));
  show("welcome", !latest.length);
  const wanted = latest.find((each) => each.name === decodeURIComponent(location.hash.slice(1))) || latest[0];
  if (wanted) await choose(wanted);
}

function entry(workflow) {
  const button = make("button", { type: "button" }, make("span", {}, workflow.title || workflow.name), make("small", {}, `${workflow.name}@${workflow.version}`));
  button.dataset.name = workflow.name;
  button.addEventListener("click", () => choose(workflow));
  return make("li", {}, button);
}

async function choose(workflow) {
  const reference = `${workflow.name}@${workflow.version}`;
  const detail = await ask("GET", `/workflows/${reference}`);
  chosen = reference;
  history.replaceState(null, "", `#${encodeURIComponent(workflow.name)}`);
  for (const button of find("workflows").querySelectorAll("button")) {
    if (button.dataset.name === workflow.name) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  find("title").textContent = detail.title || detail.name;
  find("version").textContent = reference;
  find("note").textContent = detail.note || detail.document.meta?.about || "";
  find("call-wrong").textContent = "";
  fields = fieldsOf(detail.inputs, detail.input_schema);
  find("fields").replaceChildren(...fields.map((field) => field.element));
  show("call", true);
}

function body() {
  const values = fields.map((field) => [field.name, field.read()]).filter(([, value]) => value !== undefined);
  if (!values.some(([, value]) => value instanceof File)) return { inputs: Object.fromEntries(values) };
  const form = new FormData();
  for (const [name, value] of values) form.append(name, value instanceof File || typeof value === "string" ? value : JSON.stringify(value));
  return form;
}

async function call(event) {
  event.preventDefault();
  find("call-wrong").textContent = "";
  find("go").disabled = true;
  try {
    await follow(await ask("POST", `/workflows/${chosen}/run?wait=0`, body()));
  } catch (error) {
    find("call-wrong").textContent = error instanceof Refused ? error.text : `${error.message || error}`;
  } finally {
    find("go").disabled = false;
  }
}

async function follow(job) {
  running = job.id;
  find("results").replaceChildren();
  find("outcome-wrong").textContent = "";
  show("outcome", true);
  find("outcome").scrollIntoView({ block: "nearest", behavior: "smooth" });
  while (running === job.id && !final(job)) {
    tell(job);
    await new Promise((go) => setTimeout(go, LOOK_AGAIN));
    job = await ask("GET", `/jobs/${job.id}`);
  }
  if (running !== job.id) return;
  tell(job);
  for (const picture of find("results").querySelectorAll("img")) await picture.decode().catch(() => undefined);
  find("outcome").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

const final = (job) => ["succeeded", "failed", "cancelled"].includes(job.state);

function tell(job) {
  const words = { queued: "Waiting for a worker", running: job.node ? `Working: ${job.node}` : "Working", succeeded: "Done", failed: "It failed", cancelled: "Cancelled" };
  find("outcome-title").textContent = words[job.state];
  show("cancel", !final(job));
  show("track", !final(job));
  find("track").classList.toggle("waits", !job.steps);
  find("progress").style.width = job.steps ? `${(100 * (job.step || 0)) / job.steps}%` : "";
  if (job.error) find("outcome-wrong").textContent = job.error.message + (job.error.hint ? ` → ${job.error.hint}` : "");
  if (final(job)) find("results").replaceChildren(...Object.values(job.outputs).flat().map(result));
}

function result(output) {
  const name = output.name || output.node;
  if (output.id && output.media_type.startsWith("image/")) {
    const link = make("a", { href: place(output.id), download: output.file }, "Save");
    return make("figure", {}, make("img", { src: place(output.id), alt: name }), make("figcaption", {}, make("span", {}, output.file), link));
  }
  if (output.id) return make("a", { href: place(output.id), download: output.file }, output.file);
  return make("div", { class: "text" }, `${name}: ${typeof output.value === "string" ? output.value : JSON.stringify(output.value)}`);
}

find("call").addEventListener("submit", call);
find("cancel").addEventListener("click", () => running && ask("POST", `/jobs/${running}/cancel`).catch(() => undefined));
find("leave").addEventListener("click", () => ask("POST", "/logout").then(() => location.reload()));
find("login").addEventListener("submit", (event) => {
  event.preventDefault();
  ask("POST", "/login", { token: find("token").value })
    .then(() => sessionStorage.setItem(CAME_IN, "yes"))
    .then(begin)
    .catch((error) => { find("login-wrong").textContent = error.message; });
});

begin().catch((error) => { find("status").textContent = error.message; });
