import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { test } from "node:test";
import { CommTransport, errorText, Unreachable } from "../../../workflow_monitor/widgets/transport.js";

/** @import { CommMessage, Transition, WidgetModel } from "../../../workflow_monitor/widgets/types.js" */

// Node.js 18 has no global `crypto`.
globalThis.crypto ??= /** @type {Crypto} */ (webcrypto);

/** Connect a transport to a model that records its messages. */
function connected() {
  /** @type {Record<string, unknown>[]} */
  const sent = [];
  /** @type {(message: CommMessage, buffers?: DataView[]) => void} */
  let receive = () => assert.fail("not subscribed");
  const model = /** @type {WidgetModel} */ (
    /** @type {unknown} */ ({
      send: (/** @type {Record<string, unknown>} */ message) => sent.push(message),
      on: (/** @type {string} */ _, /** @type {typeof receive} */ callback) => {
        receive = callback;
      },
    })
  );
  const transport = new CommTransport(model);
  /** @type {typeof receive} */
  const deliver = (message, buffers) => receive(message, buffers);
  return { transport, sent, deliver };
}

test("responses are matched to requests by id, in any order", async () => {
  const { transport, sent, deliver } = connected();
  const first = transport.request("GET", "aoi/A");
  const second = transport.request("PUT", "scene/1/retry");
  const [firstId, secondId] = sent.map(({ request }) => Number(request));
  assert.deepEqual(sent[1], { request: secondId, method: "PUT", path: "scene/1/retry", binary: false });
  deliver({ response: secondId, status: 409, text: '{"detail": "scene 1 is DONE"}' });
  deliver({ response: firstId, status: 200, text: '{"status": "DONE"}' });
  assert.deepEqual(await first, { status: 200, ok: true, body: { status: "DONE" } });
  const conflict = await second;
  assert.equal(conflict.ok, false);
  assert.equal(errorText(conflict), "scene 1 is DONE");
});

test("binary responses are the bytes of the view only", async () => {
  const { transport, sent, deliver } = connected();
  const response = transport.request("GET", "aoi/A/lanes", true);
  const bytes = new DataView(Uint8Array.of(9, 1, 2, 9).buffer, 1, 2);
  deliver({ response: Number(sent[0].request), status: 200, text: "" }, [bytes]);
  assert.deepEqual(new Uint8Array((await response).body), Uint8Array.of(1, 2));
});

test("a request without a response is rejected with the reason", async () => {
  const { transport, sent, deliver } = connected();
  const response = transport.request("GET", "aoi/A");
  deliver({ response: Number(sent[0].request), status: 0, text: "connection refused" });
  await assert.rejects(response, (error) => error instanceof Unreachable && error.message === "connection refused");
});

test("responses that are not JSON are returned as text", async () => {
  const { transport, sent, deliver } = connected();
  const response = transport.request("GET", "aoi/A");
  deliver({ response: Number(sent[0].request), status: 502, text: "<html>bad gateway</html>" });
  assert.equal(errorText(await response), "<html>bad gateway</html>");
  assert.equal(errorText({ status: 418, ok: false, body: null }), "The server returned status 418.");
});

test("transitions reach the subscribers of their AOI until they unsubscribe", () => {
  const { transport, sent, deliver } = connected();
  /** @type {number[]} */
  const received = [];
  const unsubscribe = transport.subscribe("A", {
    onEvents: (events) => received.push(...events.map(({ id }) => id)),
    onReconnect: () => received.push(-1),
    onDisconnect: () => received.push(-2),
  });
  assert.deepEqual(sent, [{ subscribe: "A" }]);
  const events = [/** @type {Transition} */ ({ id: 7 })];
  deliver({ aoi: "A", notify: "onEvents", events });
  deliver({ aoi: "B", notify: "onEvents", events });
  deliver({ aoi: "A", notify: "onDisconnect", events: [] });
  deliver({ aoi: "A", notify: "onReconnect", events: [] });
  unsubscribe();
  deliver({ aoi: "A", notify: "onEvents", events });
  assert.deepEqual(received, [7, -2, -1]);
});
