// SPDX-License-Identifier: MIT
// TCP and local sockets: echo, much data, half open ends, resets, refusals, time-outs.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const os = require('os');
const path = require('path');
const { once } = require('events');

const text = async (stream) => {
	let all = '';
	for await (const chunk of stream.setEncoding('utf8'))
		all += chunk;
	return all;
};

async function listen(server, ...where) {
	server.listen(...where);
	await once(server, 'listening');
	return server.address();
}

async function echo(where) {
	const server = net.createServer((socket) => socket.pipe(socket));
	const address = await listen(server, ...where);
	const target = typeof address === 'string' ? { path: address } : { port: address.port, host: '127.0.0.1' };
	const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => {
		const client = net.connect(target);
		client.end(`client ${i} `.repeat(i + 1));
		return text(client);
	}));
	console.log('echo', answers.every((answer, i) => answer === `client ${i} `.repeat(i + 1)));

	// More than the kernel takes at once, so that writes wait.
	const much = crypto.createHash('sha1').update('much').digest().toString('hex').repeat(100000);
	const client = net.connect(target);
	let drained = client.write(much) ? 0 : 1;
	client.on('drain', () => drained++);
	client.write(much.slice(0, 1000));
	client.end();
	const back = await text(client);
	console.log('much', back.length, back === much + much.slice(0, 1000), drained > 0, client.bytesWritten);
	server.close();
	await once(server, 'close');
}

async function ends() {
	const server = net.createServer({ allowHalfOpen: true }, (socket) => {
		socket.resume().on('end', () => socket.end('after your end'));
	});
	const { port } = await listen(server, 0, '127.0.0.1');
	const half = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
	half.end('mine');
	console.log('half open:', await text(half));
	server.close();
	await once(server, 'close');

	await new Promise((resolve) => net.connect(port, '127.0.0.1').on('error', (error) => {
		console.log('refused:', error.code, error.syscall);
		resolve();
	}));

	const idle = net.createServer((socket) => socket.on('error', () => 0));
	const { port: second } = await listen(idle, 0, '127.0.0.1');
	const client = net.connect(second, '127.0.0.1');
	client.setTimeout(20, () => client.destroy());
	await once(client, 'close');
	console.log('time-out', client.destroyed);

	const victim = net.connect({ port: second, host: 'localhost', family: 4 });
	const [[socket]] = await Promise.all([once(idle, 'connection'), once(victim, 'connect')]);
	const closed = new Promise((resolve) => victim.on('close', resolve));
	victim.on('error', (error) => console.log('reset:', error.code));
	victim.resume();
	socket.resetAndDestroy();
	await closed;
	idle.close();
	await once(idle, 'close');
}

async function pauses() {
	const server = net.createServer((socket) => {
		socket.setNoDelay().setKeepAlive(true, 1000);
		socket.write('x'.repeat(500000));
		socket.end();
	});
	const { port } = await listen(server, 0, '127.0.0.1');
	const client = net.connect(port, '127.0.0.1');
	let length = 0;
	client.on('data', (chunk) => {
		length += chunk.length;
		client.pause();
		setImmediate(() => client.resume());
	});
	await once(client, 'close');
	console.log('paused', length);
	server.close();
}

(async () => {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'net-'));
	await echo([0, '127.0.0.1']);
	await echo([path.join(folder, 'socket')]);
	await ends();
	await pauses();
	fs.rmdirSync(folder);
})();
