// Fills a Redis with job schedulers, as BullMQ's own classes write them.
//
// node bullmq_store.js SOCKET PREFIX LINES; run where `bullmq` can be required.
const fs = require('fs');
const { createRequire } = require('module');
const here = createRequire(process.cwd() + '/');
const { Queue } = here('bullmq');
// The client that BullMQ itself uses.
const Redis = createRequire(here.resolve('bullmq'))('ioredis');
const [socket, prefix, lines] = process.argv.slice(2);
const patterns = JSON.parse(fs.readFileSync(lines))['cron-parser'];

const DAY = 86400000;
const datas = [
  undefined, {}, { a: 1, b: [true, null, 'é☃ {{ user }}'] }, { deep: { deep: [[], {}] } }, { 'ключ': '🎉', n: 2.5 },
];
const optses = [
  undefined, { attempts: 3 }, { attempts: 5, backoff: 1000 }, { backoff: { type: 'exponential', delay: 1500 } },
  { backoff: { type: 'fixed', delay: 60000 } }, { removeOnComplete: true }, { removeOnComplete: 100, removeOnFail: 50 },
  { removeOnComplete: { age: 3600 }, removeOnFail: { count: 10 } }, { removeOnComplete: { age: 60, count: 5 } },
  { removeOnComplete: 0, removeOnFail: -1 }, { priority: 7 }, { lifo: true }, { stackTraceLimit: 3 },
  { keepLogs: 10 }, { backoff: { type: 'fixed', delay: 100, jitter: 0.5 } }, { backoff: { type: 'own', delay: 100 } },
];
const zones = [undefined, 'Asia/Tokyo', 'Europe/Berlin', 'America/New_York', 'UTC', 'Australia/Lord_Howe'];
const odd = ['é☃ name', 'with:colons:in:it', ' spaces ', '\u001b[31mred', 'x'.repeat(200), '#hash', "quote'\"", '{{ name }}'];

async function main() {
  const queues = ['mail', 'reports'].map((name) => new Queue(name, { connection: { path: socket }, prefix }));
  const refused = [];
  let made = 0;
  const add = async (id, repeat) => {
    const queue = queues[made % 2];
    const template = { name: `job${made % 7}`, data: datas[made % datas.length], opts: optses[made % optses.length] };
    made += 1;
    try {
      await queue.upsertJobScheduler(id, repeat, template);
    } catch (error) {
      refused.push(`${id}: ${repeat.pattern ?? repeat.every}`);
    }
  };
  for (const [index, pattern] of patterns.entries()) {
    await add(`line ${index}`, { pattern, tz: zones[index % zones.length] });
  }
  for (const every of [100, 250, 1000, 7000, 60000, 90000, 3600000, DAY, 7 * DAY, 1234567, 333]) {
    await add(`every ${every}`, { every });
    await add(`every ${every} with offset`, { every, offset: Math.floor(every / 3) });
    await add(`every ${every} limited`, { every, limit: 5 });
  }
  const now = Date.now();
  for (const pattern of ['0 3 * * *', '*/10 * * * * *', '0 0 1 * *', '*/5 * * * *']) {
    await add(`${pattern} later`, { pattern, startDate: now + 40 * DAY });
    await add(`${pattern} till`, { pattern, endDate: now + 90 * DAY });
    await add(`${pattern} between`, { pattern, startDate: now - DAY, endDate: now + 60 * DAY, tz: 'Asia/Seoul' });
    await add(`${pattern} limited`, { pattern, limit: 12 });
    await add(`${pattern} at once`, { pattern, immediately: true });
  }
  for (const every of [60000, 3600000]) {
    await add(`${every} later`, { every, startDate: now + 2 * DAY });
    await add(`${every} till`, { every, endDate: now + 3 * DAY });
  }
  for (const id of odd) await add(id, { pattern: '0 5 * * 1' });
  for (let more = 0; made < 196; more += 1) await add(`more ${more}`, { pattern: `${more % 60} ${more % 24} * * *` });
  // What no scheduler writes.
  const client = new Redis({ path: socket });
  const broken = async (id, ...fields) => {
    await client.zadd(`${prefix}:mail:repeat`, now + 1000, id);
    await client.hset(`${prefix}:mail:repeat:${id}`, 'name', 'broken', 'ic', '1', ...fields);
  };
  await broken('no timing', 'data', '{}');
  await broken('no json', 'pattern', '0 3 * * *', 'data', '{');
  await broken('no object', 'pattern', '0 3 * * *', 'data', '[1]');
  await broken('no options', 'pattern', '0 3 * * *', 'opts', 'nope');
  await broken('used up', 'pattern', '0 3 * * *', 'limit', '3', 'ic', '4');
  await broken('texts', 'pattern', '0 3 * * *', 'endDate', '2099-01-01T00:00:00Z', 'opts', '{"attempts":"3"}');
  await broken('no limit', 'pattern', '0 3 * * *', 'limit', 'some');
  await broken('never', 'every', '60000');
  await client.zadd(`${prefix}:mail:repeat`, 'inf', 'never');
  await client.zadd(`${prefix}:other:mail:repeat`, now + 1000, 'hidden');
  await client.zadd(`${prefix}:mail:repeat`, now + 1000, 'a string');
  await client.set(`${prefix}:mail:repeat:a string`, 'x');
  await client.zadd(`${prefix}:mail:repeat`, now + 1000, 'old:::Asia/Tokyo:0 3 * * *');
  await Promise.all(queues.map((queue) => queue.close()));
  process.stdout.write(JSON.stringify({ made, refused }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
