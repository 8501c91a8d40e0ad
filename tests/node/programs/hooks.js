// SPDX-License-Identifier: MIT
// Node's own hooks, AsyncLocalStorage, and what Node tells of its handles: none of it may change.
'use strict';
const async_hooks = require('async_hooks');
const fs = require('fs');
const net = require('net');
const { performance } = require('perf_hooks');

const counts = {};
async_hooks.createHook({
	init(id, type) {
		counts[type] = (counts[type] ?? 0) + 1;
	},
}).enable();

const storage = new async_hooks.AsyncLocalStorage();
const server = net.createServer((socket) => socket.end('x'));
server.listen(0, '127.0.0.1', () => {
	const handles = process.report.getReport().libuv
		.filter(({ type }) => type !== 'loop').map(({ type, is_active }) => `${type}${is_active ? '+' : '-'}`);
	console.log('handles', handles.sort().join(' '));
	if (process.getActiveResourcesInfo)
		console.log('active', process.getActiveResourcesInfo().join(' '));
	storage.run('in the store', () => {
		fs.stat(__filename, () => {
			setTimeout(() => Promise.resolve().then(() => {
				console.log('store', storage.getStore());
				const client = net.connect(server.address().port, '127.0.0.1');
				client.on('data', () => console.log('store', storage.getStore()));
				client.on('close', () => server.close());
			}), 2);
		});
	});
});
process.on('exit', () => {
	const { idleTime, loopStart } = performance.nodeTiming;
	console.log('loop', idleTime >= 0, loopStart > 0);
	console.log(Object.entries(counts).filter(([type]) => /WRAP|REQ/.test(type)).sort().map((e) => e.join(' ')).join(', '));
});
