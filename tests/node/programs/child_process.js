// SPDX-License-Identifier: MIT
// Children by spawn, exec, execFile, fork, synchronous ones, ones that fail or are killed, and
// messages and a server handed over.
'use strict';
const child_process = require('child_process');
const net = require('net');
const { once } = require('events');

const text = async (stream) => {
	let all = '';
	for await (const chunk of stream.setEncoding('utf8'))
		all += chunk;
	return all;
};

async function parent() {
	const cat = child_process.spawn('cat', [], { stdio: ['pipe', 'pipe', 'inherit'] });
	const echoed = text(cat.stdout);
	for (let i = 0; i < 200; i++)
		cat.stdin.write(`${i} ${'x'.repeat(2000)}\n`);
	cat.stdin.end();
	console.log('cat', (await echoed).length, ...await once(cat, 'close'));

	await new Promise((resolve) => child_process.exec('echo out; echo err >&2; exit 3', (error, out, err) => {
		console.log('exec', error.code, out.trim(), err.trim());
		resolve();
	}));
	await new Promise((resolve) => child_process.execFile('sleep', ['60'], { timeout: 20 }, (error) => {
		console.log('timeout', error.killed, error.signal);
		resolve();
	}));
	const none = child_process.spawn('/there/is/no/such/program');
	const [error] = await once(none, 'error');
	console.log('none', error.code, error.syscall);

	const sleeper = child_process.spawn('sleep', ['60'], { stdio: 'ignore' });
	sleeper.kill('SIGKILL');
	console.log('killed', ...await once(sleeper, 'exit'));
	const controller = new AbortController();
	const aborted = child_process.spawn('sleep', ['60'], { signal: controller.signal });
	aborted.on('error', ({ name }) => console.log('aborted', name));
	controller.abort();
	console.log('exit', ...await once(aborted, 'exit'));

	console.log('spawnSync', child_process.spawnSync('cat', { input: 'in' }).stdout.toString());
	console.log('execSync', child_process.execSync('echo sync').toString().trim());
	try {
		child_process.execFileSync('false');
	} catch ({ status }) {
		console.log('execFileSync', status);
	}
	console.log('node', child_process.execFileSync(process.execPath, ['-p', '6 * 7']).toString().trim());

	const child = child_process.fork(__filename, ['child'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
	const said = text(child.stdout);
	child.send({ question: 'double', of: 21 });
	const [answer] = await once(child, 'message');
	console.log('fork answers', answer);

	const server = net.createServer();
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address();
	child.send('server', server);
	await once(child, 'message');
	server.close();
	console.log('from the child', await text(net.connect(port, '127.0.0.1')));
	const closed = once(child, 'close');
	child.send('leave');
	console.log('fork', ...await closed);
	console.log((await said).trim());

	const many = Array.from({ length: 10 }, (_, i) => once(child_process.spawn('sh', ['-c', `exit ${i}`]), 'close'));
	console.log('many', (await Promise.all(many)).map(([code]) => code).join(' '));
}

function child() {
	process.on('message', (message, handle) => {
		if (handle) {
			handle.on('connection', (socket) => {
				socket.end('a connection that the child took');
				handle.close();
			});
			process.send('listening');
		} else if (message === 'leave') {
			process.disconnect();
		} else {
			process.send(message.of * 2);
		}
	});
	process.on('disconnect', () => console.log('the child is disconnected'));
}

process.argv[2] === 'child' ? child() : parent();
