/** @import { Panel } from "./panel.js" */
/** @import { Kind } from "./types.js" */
import { confirmDialog } from "./dom.js";
import { formatNumber, pluralize } from "./format.js";
import { errorText } from "./transport.js";

const CONCURRENT_REQUESTS = 6;

/**
 * Retry or fail items after confirmation, and show the outcome in the status line.
 *
 * @param {Panel} panel
 * @param {Kind} kind
 * @param {number[]} ids
 * @param {"retry" | "fail"} action
 * @param {string} [qualifier] text after the count in the question
 * @returns {Promise<boolean>} false if cancelled
 */
export async function applyToItems(panel, kind, ids, action, qualifier = "") {
  const isRetry = action === "retry";
  const items = `${pluralize(ids.length, kind)}${qualifier}`;
  const question = isRetry
    ? `Retry ${items}?`
    : `Fail ${items}? FAILED items leave the graph; their successors continue without them.`;
  if (!(await confirmDialog(panel.root, question, isRetry ? "Retry" : "Fail"))) return false;
  const outcome = await sendEach(panel, kind, ids, action);
  const rejected = outcome.rejected ? `; ${formatNumber(outcome.rejected)} rejected: ${outcome.reason}` : "";
  panel.say(`${pluralize(outcome.applied, kind)} ${isRetry ? "retried" : "failed"}${rejected}.`);
  return true;
}

/**
 * Send one request per item, a few concurrently. An error does not stop the others.
 *
 * @param {Panel} panel
 * @param {Kind} kind
 * @param {number[]} ids
 * @param {"retry" | "fail"} action
 */
async function sendEach(panel, kind, ids, action) {
  const queue = [...ids];
  const outcome = { applied: 0, rejected: 0, reason: "" };
  const work = async () => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
      const response = await panel.put(`${kind}/${id}/${action}`);
      if (response.ok) outcome.applied += 1;
      else {
        outcome.rejected += 1;
        outcome.reason = errorText(response);
      }
      panel.say(`${formatNumber(outcome.applied + outcome.rejected)} of ${formatNumber(ids.length)}…`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, work));
  return outcome;
}
