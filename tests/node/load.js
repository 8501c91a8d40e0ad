// SPDX-License-Identifier: MIT
// Puts an HTTP server (programs/server.js, however it is started) under load, and prints what the
// clients and the server say of it.
//
//	node load.js TOOLS REQUESTS SERVER [ARGUMENT...]
//
// TOOLS is the folder that holds autocannon. Ends with 0 if every request was answered and there was
// no error of any kind.
'use strict';
const path = require('path');
const { spawn } = require('child_process');
const { once } = require('events');

const [tools, amount, ...command] = process.argv.slice(2);
const autocannon = require(path.join(tools, 'node_modules', 'autocannon'));

(async () => {
	const server = spawn(command[0], command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
	const closed = once(server, 'close');
	let said = '';
	await new Promise((resolve, reject) => {
		closed.then(() => reject(new Error(`the server ended; it said: ${said}`)));
		server.stdout.setEncoding('utf8').on('data', (data) => {
			said += data;
			if (said.includes('\n'))
				resolve();
		});
	});
	const result = await autocannon({
		url: `http://127.0.0.1:${/^port (\d+)/.exec(said)[1]}`,
		connections: 20,
		amount: Number(amount),
		requests: [
			...['/', '/file', '/timer', '/immediate', '/gzip', '/random'].map((path) => ({ path })),
			{ path: '/post', method: 'POST', body: 'posted '.repeat(1000) },
		],
	});
	server.kill('SIGTERM');
	const [status, signal] = await closed;
	const { errors, timeouts, mismatches, resets, non2xx } = result;
	console.log(`clients: ${result['2xx']} answers`);
	console.log('errors:', JSON.stringify({ errors, timeouts, mismatches, resets, non2xx }));
	console.log(`server: ${said.split('\n')[1]}, status ${status}, signal ${signal}`);
	const wrong = errors + timeouts + mismatches + resets + non2xx;
	process.exitCode = wrong === 0 && result['2xx'] === Number(amount) && status === 0 ? 0 : 1;
	console.error(`${Math.round(result.requests.average)} requests a second`);
})();
