// SPDX-License-Identifier: MIT
// process.exit() in a callback, with requests, a server and timers pending.
'use strict';
const fs = require('fs');
const net = require('net');

process.on('exit', (code) => console.log('exit', code));
process.on('beforeExit', () => console.log('never'));
setTimeout(() => console.log('never'), 5000);
net.createServer().listen(0, '127.0.0.1', () => {
	fs.stat(__filename, () => {
		for (let i = 0; i < 20; i++)
			fs.readFile(__filename, () => 0);
		setImmediate(() => {
			console.log('leaving');
			process.exit(13);
		});
	});
});
