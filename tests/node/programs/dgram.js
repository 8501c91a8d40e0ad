// SPDX-License-Identifier: MIT
// Datagrams: to and fro, connected, many at once, to nobody, and closed in a callback.
'use strict';
const dgram = require('dgram');
const { once } = require('events');

async function bound(options = 'udp4') {
	const socket = dgram.createSocket(options);
	socket.bind(0, '127.0.0.1');
	await once(socket, 'listening');
	return socket;
}

(async () => {
	const server = await bound({ type: 'udp4', reuseAddr: true });
	server.on('message', (message, from) => server.send(`got ${message}`, from.port, from.address));
	const { port } = server.address();

	const client = await bound();
	client.send('one', port, '127.0.0.1', (error, bytes) => console.log('sent', error, bytes));
	console.log(`${(await once(client, 'message'))[0]}`);
	client.send(['two', ' and', ' three'], port, 'localhost');
	console.log(`${(await once(client, 'message'))[0]}`);

	const connected = dgram.createSocket('udp4');
	connected.connect(port, '127.0.0.1');
	await once(connected, 'connect');
	console.log('connected', connected.remoteAddress().port === port);
	const answers = new Set();
	for (let i = 0; i < 40; i++) {
		connected.send(`${i}`);
		answers.add(`${(await once(connected, 'message'))[0]}`);
	}
	console.log('answers', answers.size);

	await new Promise((resolve) => client.send(Buffer.alloc(70000), port, '127.0.0.1', (error) => {
		console.log('too big', error.code);
		resolve();
	}));
	connected.disconnect();
	connected.close();
	client.close(() => console.log('client closed'));
	server.close(() => console.log('server closed'));
})();
