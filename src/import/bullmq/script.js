// Asks BullMQ when job schedulers come due next.
//
// downbeat runs this with Node, in a folder where `bullmq` can be required. It reads a request from standard input
// and writes one JSON document to standard output. It connects to nothing.
const request = JSON.parse(require('fs').readFileSync(0, 'utf8'));
// BullMQ reads patterns without a zone in the time zone of its machine.
process.env.TZ = request.timezone;
const { defaultRepeatStrategy, getNextMillis } = require('bullmq');

const HOUR = 3600000;
// The whole answer has a deadline, and rare instants take cron-parser long.
const BUDGET = 120000 / Math.max(request.schedules.length, 1);

function* ofPattern(asked, start) {
  const { pattern, tz, startDate, endDate } = asked;
  const options = { pattern, tz, startDate, endDate };
  const strategy = defaultRepeatStrategy || getNextMillis;
  let at = start;
  for (;;) {
    // At some changes of the clock cron-parser finds nothing, and BullMQ ends the scheduler. Ask from later on, too.
    const starts = [0, 1, 3, 25, 193, 769].map((hours) => at + hours * HOUR);
    const due = starts.reduce((found, from) => found || strategy(from, options), 0);
    if (!due || due <= at || (endDate && due > endDate)) return;
    yield due;
    at = due;
  }
}

// BullMQ's script in Redis adds the interval to the time at which the last job was due.
function* ofEvery({ every, next, endDate }, start) {
  let due = next + Math.max(0, Math.floor((start - next) / every)) * every;
  for (; !endDate || due <= endDate; due += every) yield Math.floor(due);
}

function upcoming(asked) {
  const instants = [];
  const stop = Date.now() + BUDGET;
  const count = Math.min(request.count, asked.left || request.count);
  const dues = asked.pattern ? ofPattern(asked, request.from) : ofEvery(asked, request.from);
  for (const due of dues) {
    if (due > request.from) instants.push(due);
    if (instants.length === count) break;
    if (Date.now() > stop) return { instants, until: due };
  }
  return { instants };
}

const answers = request.schedules.map((asked) => {
  try {
    return upcoming(asked);
  } catch (error) {
    return { error: String(error).slice(0, 300) };
  }
});
process.stdout.write(JSON.stringify(answers));
