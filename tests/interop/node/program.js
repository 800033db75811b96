// What an ordinary program does with the Node client, each message checked by content.
// program.js HOST:PORT RUN
'use strict';

const assert = require('assert');
const { Consumer, Message, Producer } = require('ali-ons');

const PATIENCE = 60_000;
const LATER = Symbol('later');
const [names, run] = process.argv.slice(2);
const sent = new Map(); // bodies by key
const logger = { info() {}, debug() {}, warn: console.error, error: console.error };
let unique = 0;

function options(more) {
  return {
    httpclient: {}, // asks for an address, which is given here
    nameSrv: names,
    clientIP: '127.0.0.1',
    instanceName: `i${process.pid}-${++unique}`,
    logger,
    ...more,
  };
}

function message(topic, tag, size) {
  const key = `k${sent.size}-${run}`;
  const body = `${key}:${'x'.repeat(size)}`;
  sent.set(key, body);
  const m = new Message(topic, tag, body);
  m.keys = [ key ];
  m.properties.size = String(size);
  return m;
}

// The key of a message that is as it was sent.
function checked(m) {
  assert.strictEqual(m.body.toString(), sent.get(m.keys), `not as it was sent: ${m.keys}`);
  assert.strictEqual(m.properties.size, String(m.body.length - m.keys.length - 1));
  return m.keys;
}

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

async function wait(condition, what) {
  const end = Date.now() + PATIENCE;
  while (!condition()) {
    assert(Date.now() < end, what());
    await sleep(10);
  }
}

async function producing(work) {
  const producer = new Producer(options({ producerGroup: `NP-${run}` }));
  producer.on('error', e => console.error(e));
  await producer.ready();
  try {
    await work(producer);
  } finally {
    await producer.close();
  }
}

async function stored(producer, m) {
  const result = await producer.send(m);
  assert.strictEqual(result.sendStatus, 'SEND_OK');
  return result;
}

// Gives each message to `handle` until `condition`.
async function consuming(group, topic, expression, handle, condition, what, more = {}) {
  const wrong = [];
  const consumer = new Consumer(options({
    consumerGroup: `${group}-${run}`,
    consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
    ...more,
  }));
  consumer.on('error', e => { console.error(e.message); });
  consumer.subscribe(topic, expression, async m => {
    let again = false;
    try {
      again = await handle(checked(m), m) === LATER;
    } catch (e) {
      wrong.push(e);
    }
    if (again) { // what is returned for a message that comes again is not looked at
      throw new Error('later');
    }
  });
  await consumer.ready();
  try {
    await wait(() => wrong.length > 0 || condition(), what);
    assert.deepStrictEqual(wrong, []);
  } finally {
    await consumer.close();
  }
}

async function gather(group, topic, expression, want, more) {
  const got = [];
  await consuming(group, topic, expression, key => { got.push(key); },
    () => got.length >= want, () => `${got.length} of ${want} messages came`, more);
  assert.strictEqual(new Set(got).size, want, 'some came twice, or unasked');
}

async function sends(topic) {
  await producing(async producer => {
    for (let i = 0; i < 100; ++i) {
      await stored(producer, message(topic, i % 2 ? 'odd' : 'even', i === 7 ? 20000 : i));
    }
    const open = [];
    for (let i = 0; i < 100; ++i) {
      open.push(stored(producer, message(topic, 'open', i)));
    }
    await Promise.all(open);
  });
}

async function later(topic) {
  await producing(async producer => {
    for (let i = 0; i < 10; ++i) {
      await stored(producer, message(topic, 'f', i));
    }
  });
  const tries = new Map();
  const done = new Set();
  await consuming('NF', topic, '*', (key, m) => {
    const before = tries.get(key) || 0;
    assert.strictEqual(m.reconsumeTimes, before);
    tries.set(key, before + 1);
    if (before < 2) {
      return LATER;
    }
    done.add(key);
    return undefined;
  }, () => done.size === 10, () => `${done.size} of 10 came a third time`);
}

async function delayed(topic) {
  const began = Date.now();
  await producing(async producer => {
    for (let i = 0; i < 10; ++i) {
      const m = message(topic, 'd', i);
      m.delayTimeLevel = 2;
      await stored(producer, m);
    }
  });
  await gather('ND', topic, '*', 10);
  assert(Date.now() - began >= 1900, `all came after ${Date.now() - began} ms`);
}

async function ordered(topic) {
  await producing(async producer => {
    for (let i = 0; i < 80; ++i) {
      const m = message(topic, String(i >> 2), i);
      m.shardingKey = `shard${i % 4}`;
      await stored(producer, m);
    }
  });
  const shards = new Map();
  let count = 0;
  await consuming('NO', topic, '*', (key, m) => {
    const of = shards.get(m.shardingKey) || [];
    shards.set(m.shardingKey, of);
    of.push(Number(m.tags));
    ++count;
  }, () => count >= 80, () => `${count} of 80 came`);
  for (const of of shards.values()) {
    assert.deepStrictEqual(of, [ ...Array(20).keys() ]);
  }
  assert.strictEqual(shards.size, 4);
}

async function broadcast(topic) {
  const got = [ [], [] ];
  const both = got.map(of => consuming('NB', topic, '*', key => { of.push(key); },
    () => got.every(each => each.length >= 200), () => `came ${got.map(each => each.length)}`,
    { isBroadcast: true }));
  await Promise.all(both);
  for (const of of got) {
    assert.strictEqual(new Set(of).size, 200);
  }
}

async function progress(topic) {
  await producing(async producer => {
    for (let i = 0; i < 5; ++i) {
      await stored(producer, message(topic, 'more', i));
    }
  });
  await gather('NG', topic, '*', 5);
}

async function sql(topic) {
  await gather('NSQL', topic,
    { expressionType: 'SQL92', subString: "size BETWEEN 10 AND 19 AND TAGS IN ('even', 'open')" }, 15);
}

async function main() {
  const topic = `NT-${run}`;
  const scenarios = [
    [ 'sends, one at a time and many open', () => sends(topic) ],
    [ 'a push consumer gets every message once', () => gather('NG', topic, '*', 200) ],
    [ 'a broadcast reaches every consumer', () => broadcast(topic) ],
    [ 'tags choose', () => gather('NTAG', topic, 'even || open', 150) ],
    [ 'SQL92 chooses', () => sql(topic) ],
    [ 'progress outlives the consumer', () => progress(topic) ],
    [ 'what a handler fails on comes again', () => later(`NTF-${run}`) ],
    [ 'delayed messages come after their time', () => delayed(`NTD-${run}`) ],
    [ 'messages of one sharding key keep their order', () => ordered(`NTO-${run}`) ],
  ];
  let failed = 0;
  for (const [ name, scenario ] of scenarios) {
    try {
      await scenario();
      console.log(`ok      ${name}`);
    } catch (e) {
      ++failed;
      console.log(`FAILED  ${name}: ${e}`);
    }
  }
  console.log(`${scenarios.length - failed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0); // its timers go on
}

process.on('unhandledRejection', e => console.error(e));
main();
