// SPDX-License-Identifier: MIT
// The inspector is started by SIGUSR1: a signal handler wakes a thread, and that the loop.
'use strict';
const http = require('http');
const inspector = require('inspector');

process.kill(process.pid, 'SIGUSR1');
const look = setInterval(() => {
	if (!inspector.url())
		return;
	clearInterval(look);
	const { hostname, port } = new URL(inspector.url());
	http.get({ hostname, port, path: '/json/version', agent: false }, (answer) => {
		console.log('inspector', answer.statusCode);
		answer.resume().on('end', () => inspector.close());
	});
}, 1);
