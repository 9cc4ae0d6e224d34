// What a call has to say when it does not work.

/** An answer that is no success; `code` is stable (docs/rest.md). */
export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = body?.code ?? 'unknown';
    this.body = body ?? {};
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('the server cannot be reached');
    this.code = 'unreachable';
  }
}

/** Refused before it was looked at, by status or code: that says nothing of an earlier call whose answer was lost. */
const TURNED_AWAY = [401, 403, 408, 429, 'overloaded', 'draining', 'cut_off'];

/** Whether nobody knows by it if what was asked for was carried out: an answer that is lost on the way is no refusal. */
export const isUnanswered = ({ code, status }) => code === 'unreachable' || (status >= 500 && !TURNED_AWAY.includes(code));

/** The same after one more try of a call; `isLost`: whether an answer to it was lost before. */
export const isStillUnanswered = (problem, isLost) => isUnanswered(problem) || (isLost && [problem.status, problem.code].some((what) => TURNED_AWAY.includes(what)));
