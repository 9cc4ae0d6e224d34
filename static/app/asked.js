// What was asked for, and must not be asked for in another way until it is known what became of it.

import { useState } from './view.js';
import { isStillUnanswered } from './problem.js';

/**
 * `{asked, isLost, ask}`: the call that is under way, or whose answer was lost, or null; whether it was lost; and `ask(call, post)`,
 * which does `post` with that very call again, where there is one, and with `call` otherwise. `kept`, a ref, outlives a dialog: who
 * closes it and opens it again would otherwise ask for the same twice.
 */
export function useAsked(kept = null) {
  const [asked, setAsked] = useState(kept?.current ?? null);
  const [isLost, setLost] = useState(asked !== null);
  const keep = (call) => {
    if (kept) kept.current = call;
  };
  const ask = async (fresh, post) => {
    const call = asked ?? fresh;
    setAsked(call);
    keep(call);
    try {
      await post(call);
      keep(null);
    } catch (problem) {
      const isUnknown = isStillUnanswered(problem, isLost);
      setLost(isUnknown);
      if (!isUnknown) {
        keep(null);
        setAsked(null);
      }
      throw problem;
    }
    return call;
  };
  return { asked, isLost, ask };
}
