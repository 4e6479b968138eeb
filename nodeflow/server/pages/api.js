// Requests to the server. A refusal is an error whose message says what to do.

const API = "/api/v1";

export class Refused extends Error {
  constructor(status, body) {
    super(body.message || `the server answered ${status}`);
    this.status = status;
    this.code = body.code || "";
    this.hint = body.hint || "";
    this.problems = body.problems || [];
  }

  // All that is wrong, a line for each.
  get text() {
    const lines = this.problems.map(said).filter((line, place, all) => all.indexOf(line) === place);
    return lines.length ? lines.join("\n") : this.message + (this.hint ? ` → ${this.hint}` : "");
  }
}

function said(problem) {
  const where = [problem.node, problem.input].filter(Boolean).join(" · ");
  const expected = problem.expected ? `; expected ${problem.expected}` : "";
  const hint = problem.hint ? ` → ${problem.hint}` : "";
  return `${where ? `${where}: ` : ""}${problem.message}${expected}${hint}`;
}

export async function ask(method, path, body) {
  const options = { method, headers: {}, credentials: "same-origin" };
  if (body instanceof FormData) {
    options.body = body;
  } else if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(API + path, options);
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

export const place = (output, size) => `${API}/outputs/${output}${size ? `?thumbnail=${size}` : ""}`;
