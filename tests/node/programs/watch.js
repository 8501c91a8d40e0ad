// SPDX-License-Identifier: MIT
// fs.watch and fs.watchFile: what they see, and what they no longer see after close.
'use strict';
const fs = require('fs');
const os = require('os');
const path = require('path');
const { once } = require('events');

(async () => {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'watch-'));
	const file = path.join(folder, 'file');
	fs.writeFileSync(file, '');

	const watcher = fs.watch(folder);
	const seen = once(watcher, 'change');
	fs.writeFileSync(path.join(folder, 'new'), 'x');
	console.log('watch', ...await seen);
	watcher.close();
	await once(watcher, 'close');

	const one = fs.watch(file, { persistent: false });
	const changed = once(one, 'change');
	fs.appendFileSync(file, 'more');
	console.log('file', ...await changed);
	one.close();

	const controller = new AbortController();
	let events = 0;
	try {
		const iterator = fs.promises.watch(folder, { signal: controller.signal });
		setImmediate(() => fs.writeFileSync(path.join(folder, 'again'), ''));
		for await (const { filename } of iterator) {
			if (events++ === 0)
				console.log('iterator', filename);
			controller.abort();
		}
	} catch ({ name }) {
		console.log(name);
	}

	await new Promise((resolve) => {
		// When it looks first is not known: so the file grows until it sees that.
		const grow = setInterval(() => fs.appendFileSync(file, 'x'), 20);
		fs.watchFile(file, { interval: 10 }, (now, then) => {
			console.log('watchFile', now.size > then.size);
			clearInterval(grow);
			fs.unwatchFile(file);
			resolve();
		});
	});
	fs.watch(path.join(folder, 'file'), () => 0).unref();
	try {
		fs.watch(path.join(folder, 'none'));
	} catch ({ code }) {
		console.log('none', code);
	}
	fs.rmSync(folder, { recursive: true });
})();
