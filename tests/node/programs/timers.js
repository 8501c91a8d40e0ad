// SPDX-License-Identifier: MIT
// Timeouts, intervals, immediates, ticks and microtasks, in the order that Node promises.
'use strict';
const timers = require('timers/promises');
const vm = require('vm');

const log = [];
const note = (text) => () => log.push(text);

setTimeout(note('first'), 20);
setTimeout(note('second'), 20);
setTimeout((a, b) => log.push(`arguments ${a} ${b}`), 2, 'x', 'y');
setTimeout(note('never'), 10).unref();
clearTimeout(setTimeout(note('cleared'), 5));
clearImmediate(setImmediate(note('cleared too')));
process.nextTick(note('tick'));
queueMicrotask(note('microtask'));
setImmediate(() => {
	process.nextTick(note('tick of immediate'));
	Promise.resolve().then(note('promise of immediate'));
});

let beats = 0;
const interval = setInterval(() => {
	if (++beats === 5)
		clearInterval(interval);
}, 1);

const refreshed = setTimeout(note('refreshed'), 15);
setTimeout(() => refreshed.refresh(), 5);

function nested(depth, done) {
	if (depth === 0)
		return done();
	setTimeout(() => setImmediate(() => process.nextTick(nested, depth - 1, done)), depth % 3);
}

// Many with few lists, and many lists of one.
let fired = 0;
for (let i = 0; i < 2000; i++)
	setTimeout(() => fired++, i % 2 ? 3 : 1 + (i % 40));

nested(10, () => log.push('nested'));

(async () => {
	await timers.setTimeout(3);
	await timers.setImmediate();
	let turns = 0;
	for await (const value of timers.setInterval(1, 'v'))
		if (value === 'v' && ++turns === 4)
			break;
	const controller = new AbortController();
	const sleeping = timers.setTimeout(10000, null, { signal: controller.signal });
	controller.abort();
	await sleeping.catch((error) => log.push(error.name));
	await new Promise((resolve) => AbortSignal.timeout(5).addEventListener('abort', resolve));
	log.push(`promises ${turns}`);
})();

// Watched by a thread with a loop and a timer of its own.
try {
	vm.runInNewContext('for (;;);', {}, { timeout: 5 });
} catch ({ code }) {
	log.push(code);
}

process.on('exit', () => {
	console.log(log.slice(0, 3).join(', '));
	console.log(log.slice(3).filter((text) => text !== 'never').sort().join('\n'));
	console.log(`${beats} beats, ${fired} fired`);
	console.log('in order', log.indexOf('first') < log.indexOf('second'),
		log.indexOf('tick of immediate') + 1 === log.indexOf('promise of immediate'));
});
