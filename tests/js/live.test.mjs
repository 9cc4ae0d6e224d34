import assert from 'node:assert/strict';
import test from 'node:test';
import './no-page.mjs';
import { inState } from './support.mjs';
import { connect } from '../../static/app/live.js';

// Where a page is from; nothing is there, and nothing is asked for.
globalThis.location = new URL('http://127.0.0.1:9/customer');

test('the end of a log-in ends that one, and not that of who has come since', async () => {
  for (const [next, count] of [['ada', 1], ['bruno', 0]]) {
    const session = {
      face: 'customer', user: { value: { id: 'ada' } }, ended: 0,
      async token() {
        this.user.value = { id: next };
        throw Object.assign(new Error('the log-in has ended'), { status: 401 });
      },
      logOut() { this.ended += 1; },
    };
    const { client, close } = connect(session);
    await inState(client, 'closed');
    assert.equal(session.ended, count, `${next} is logged in by then`);
    close();
  }
});
