import { confirmed, counted, grouped } from "./elements.js";

const AT_ONCE = 6;

/** Retry or give up items after asking; tells what became of it. Resolves to whether it was done. */
export async function repair(panel, kind, ids, action, about = "") {
  const number = `${counted(ids.length, kind)}${about}`;
  const retry = action === "retry";
  const question = retry
    ? `Send ${number} to the workers again?`
    : `Give up ${number}? The graph closes over them: what follows them goes on without.`;
  if (!(await confirmed(panel.root, question, retry ? "Retry" : "Give up"))) return false;
  const outcome = await each(panel, kind, [...ids], action);
  const refused = outcome.refused ? `; ${grouped(outcome.refused)} were not: ${outcome.reason}` : "";
  panel.say(`${counted(outcome.done, kind)} ${retry ? "retried" : "given up"}${refused}.`);
  return true;
}

/** One request for each item, a few at a time; what goes wrong with one does not stop the others. */
async function each(panel, kind, left, action) {
  const total = left.length;
  const outcome = { done: 0, refused: 0, reason: "" };
  const work = async () => {
    while (left.length > 0) {
      const answer = await panel.put(`${kind}/${left.shift()}/${action}`);
      if (answer.ok) outcome.done += 1;
      else {
        outcome.refused += 1;
        outcome.reason = answer.body?.detail ?? `the server answered ${answer.status}`;
      }
      panel.say(`${grouped(outcome.done + outcome.refused)} of ${grouped(total)} …`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return outcome;
}
