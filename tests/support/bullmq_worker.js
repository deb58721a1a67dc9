// A BullMQ worker that writes a line of JSON for each job that it runs.
//
// Arguments: the Redis socket, the prefix, the queue. DOWNBEAT_TEST_JOURNAL is the file to write to.
// DOWNBEAT_TEST_BULLMQ is the package: bullmq, bullmq-5 or bullmq-4.
// With `pause` or `resume` as a fourth one it does that to the queue instead, and ends.
const fs = require("fs");
const { Queue, Worker } = require(process.env.DOWNBEAT_TEST_BULLMQ);
const Redis = require("ioredis");

const [path, prefix, name, order] = process.argv.slice(2);
const connection = { path, maxRetriesPerRequest: null };

function note(job) {
  const { id, name, data, opts, timestamp, attemptsMade } = job;
  const line = JSON.stringify({ id, name, data, opts, timestamp, attemptsMade }) + "\n";
  fs.appendFileSync(process.env.DOWNBEAT_TEST_JOURNAL, line);
  if (name === "demo.fail") throw new Error("as asked");
  if (name === "demo.hold") return new Redis({ path }).blpop("gate", 0);
}

async function give(order) {
  const queue = new Queue(name, { connection, prefix });
  await queue.waitUntilReady();
  if (order === "pause") await queue.pause();
  if (order === "resume") await queue.resume();
  await queue.close();
  process.exit(0);
}

if (order) {
  give(order);
} else {
  new Worker(name, async (job) => note(job), { connection, prefix }).on("error", console.error);
}
