// SPDX-License-Identifier: MIT
// Two processes that share one listening socket, by each of the two policies.
'use strict';
const cluster = require('cluster');
const http = require('http');

if (cluster.isPrimary) {
	cluster.schedulingPolicy = process.argv[2] === 'shared' ? cluster.SCHED_NONE : cluster.SCHED_RR;
	const workers = [cluster.fork(), cluster.fork()];
	let listening = 0;
	cluster.on('listening', async (worker, { port }) => {
		if (++listening < workers.length)
			return;
		const get = () => new Promise((resolve, reject) => {
			http.get({ port, host: '127.0.0.1', agent: false }, (answer) => {
				answer.setEncoding('utf8').on('data', resolve);
			}).on('error', reject);
		});
		const answers = await Promise.all(Array.from({ length: 30 }, get));
		console.log('answers', answers.filter((text) => text === 'from a worker').length);
		for (const one of workers)
			one.disconnect();
	});
	cluster.on('exit', (worker, code, signal) => console.log('worker', code, signal));
} else {
	http.createServer((request, response) => response.end('from a worker')).listen(0, '127.0.0.1');
}
