// SPDX-License-Identifier: MIT
// Workers, each with a loop of its own: messages, files, timers, sockets, shared memory, and the ways
// in which they end.
'use strict';
const fs = require('fs');
const net = require('net');
const { Worker, isMainThread, parentPort, workerData, threadId, MessageChannel, BroadcastChannel } =
	require('worker_threads');
const { once } = require('events');

const start = (kind, more = {}) => new Worker(__filename, { workerData: { kind, ...more } });

async function main() {
	const squares = await Promise.all([1, 2, 3, 4].map(async (number) => {
		const worker = start('works', { number });
		const exit = once(worker, 'exit');
		const [message] = await once(worker, 'message');
		const [code] = await exit;
		return `${message} (${code})`;
	}));
	console.log('works:', squares.join(', '));

	const shared = new Int32Array(new SharedArrayBuffer(4));
	const waiter = start('waits', { shared });
	await once(waiter, 'message');
	Atomics.store(shared, 0, 7);
	Atomics.notify(shared, 0);
	console.log('shared', ...await once(waiter, 'message'));

	const { port1, port2 } = new MessageChannel();
	const talker = start('talks');
	const ends = [once(port1, 'close'), once(talker, 'exit')];
	talker.postMessage({ port: port2 }, [port2]);
	let heard = 0;
	port1.on('message', (message) => {
		heard += message;
		if (message === 100)
			port1.close();
	});
	await Promise.all(ends);
	console.log('heard', heard);

	const endless = start('forever');
	await once(endless, 'message');
	console.log('terminated', await endless.terminate());
	const exiting = start('exits');
	console.log('exits', ...await once(exiting, 'exit'));
	const throwing = start('throws');
	console.log('throws', (await once(throwing, 'error'))[0].message);

	const channel = new BroadcastChannel('news');
	const listeners = [start('listens'), start('listens')];
	const exits = listeners.map((worker) => once(worker, 'exit'));
	await Promise.all(listeners.map((worker) => once(worker, 'message')));
	channel.postMessage('extra');
	console.log('news', (await Promise.all(listeners.map((worker) => once(worker, 'message')))).join(' '));
	await Promise.all(exits);
	channel.close();

	const nested = start('nests');
	console.log('nested', ...await once(nested, 'message'));
}

const roles = {
	async works({ number }) {
		await fs.promises.stat(__filename);
		await new Promise((resolve) => setTimeout(resolve, 2));
		const server = net.createServer((socket) => socket.end(`${number * number}`));
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		const client = net.connect(server.address().port, '127.0.0.1').setEncoding('utf8');
		const [answer] = await once(client, 'data');
		server.close();
		parentPort.postMessage(answer);
	},
	waits({ shared }) {
		parentPort.postMessage('ready');
		Atomics.wait(shared, 0, 0);
		parentPort.postMessage(Atomics.load(shared, 0));
	},
	talks() {
		parentPort.once('message', ({ port }) => {
			for (let i = 1; i <= 100; i++)
				port.postMessage(i);
		});
	},
	forever() {
		setInterval(() => 0, 1);
		fs.readFile(__filename, () => {
			parentPort.postMessage('running');
			for (;;);
		});
	},
	exits() {
		fs.stat(__filename, () => process.exit(5));
	},
	throws() {
		setImmediate(() => {
			throw new Error(`on purpose, in ${threadId > 0 ? 'a worker' : 'the main thread'}`);
		});
	},
	listens() {
		const channel = new BroadcastChannel('news');
		channel.onmessage = ({ data }) => {
			parentPort.postMessage(data);
			channel.close();
		};
		parentPort.postMessage('listening');
	},
	nests() {
		start('inner').on('message', (message) => parentPort.postMessage(`${message} through the outer`));
	},
	inner() {
		parentPort.postMessage('from the inner');
	},
};

isMainThread ? main() : roles[workerData.kind](workerData);
