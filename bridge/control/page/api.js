// Calls of the control API, with the token if one was given. It lives in this tab's session storage only.

const KEY = "bitmart-bridge.token";

/** An answer that is none: its HTTP status (0: no answer at all), and its own words. */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether another token would help. */
  get wantsToken() {
    return this.status === 401 || (this.status === 403 && hasToken());
  }
}

export const hasToken = () => Boolean(sessionStorage.getItem(KEY));
export const keepToken = (token) => sessionStorage.setItem(KEY, token);
export const forgetToken = () => sessionStorage.removeItem(KEY);

/** Ask, and return the response; a path is relative, so that the page may live below any other. */
export async function ask(path, options = {}) {
  const headers = hasToken() ? { Authorization: `Bearer ${inLatin1(sessionStorage.getItem(KEY))}` } : {};
  let response;
  try {
    response = await fetch(path, { cache: "no-store", redirect: "error", ...options, headers });
  } catch (trouble) {
    if (trouble.name === "AbortError") throw trouble;
    throw new Refusal(0, "The control API does not answer.");
  }
  if (response.ok) return response;
  throw new Refusal(response.status, await words(response));
}

/** Change something, and return the answer and its status. */
export async function post(path, body) {
  const response = await ask(path, { method: "POST", body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: response.status, answer: await response.json() };
}

async function words(response) {
  try {
    const answer = await response.json();
    return answer.field ? `${answer.error} (${answer.field})` : String(answer.error);
  } catch {
    return `The control API answers with ${response.status}.`;
  }
}

// A header carries bytes, each as a character: this gives the server the token's UTF-8, whatever it is made of.
function inLatin1(token) {
  return String.fromCharCode(...new TextEncoder().encode(token));
}
