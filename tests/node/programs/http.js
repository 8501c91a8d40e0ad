// SPDX-License-Identifier: MIT
// HTTP/1.1 with keep-alive, bodies, upgrades and aborts; TLS; HTTP/2; and fetch where there is one.
'use strict';
const http = require('http');
const http2 = require('http2');
const net = require('net');
const tls = require('tls');
const zlib = require('zlib');
const { once } = require('events');

const text = async (stream) => {
	let all = '';
	for await (const chunk of stream.setEncoding('utf8'))
		all += chunk;
	return all;
};

const get = (options, body) => new Promise((resolve, reject) => {
	http.request({ host: '127.0.0.1', ...options }, async (answer) => {
		resolve({ status: answer.statusCode, body: await text(answer), headers: answer.headers });
	}).on('error', reject).end(body);
});

async function plain() {
	const server = http.createServer(async (request, response) => {
		switch (request.url) {
		case '/post':
			response.end(`${(await text(request)).length} bytes`);
			break;
		case '/chunks':
			for (let i = 0; i < 5; i++)
				response.write(`chunk ${i} `.repeat(1000));
			response.addTrailers({ 'x-after': 'all' });
			response.end();
			break;
		case '/gzip':
			response.setHeader('content-encoding', 'gzip');
			zlib.createGzip().on('data', (data) => response.write(data))
				.on('end', () => response.end()).end('squeezed '.repeat(5000));
			break;
		case '/never':
			server.emit('waiting', request);
			break;
		default:
			response.writeHead(404).end('no such thing');
		}
	});
	server.on('upgrade', (request, socket) => {
		socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
		socket.pipe(socket);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address();

	const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
	const bodies = await Promise.all(Array.from({ length: 40 }, (_, i) =>
		get({ port, agent, path: '/post', method: 'POST' }, 'b'.repeat(i * 1000))));
	console.log('post', bodies.every(({ body }, i) => body === `${i * 1000} bytes`));
	console.log('chunks', (await get({ port, agent, path: '/chunks' })).body.length);
	console.log('none', (await get({ port, agent, path: '/' })).status);
	agent.destroy();

	const aborted = http.get({ port, host: '127.0.0.1', path: '/never' });
	aborted.on('error', (error) => console.log('aborted', error.code));
	const [request] = await once(server, 'waiting');
	const gone = new Promise((resolve) => request.on('close', resolve));
	aborted.destroy();
	await gone;

	const upgrade = http.get({ port, host: '127.0.0.1', headers: { connection: 'upgrade', upgrade: 'echo' } });
	const [, socket] = await once(upgrade, 'upgrade');
	socket.end('echo of an upgrade');
	console.log(await text(socket));

	const pipelined = net.connect(port, '127.0.0.1');
	pipelined.write('GET /a HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
	pipelined.end('GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
	console.log('pipelined', (await text(pipelined)).split('no such thing').length - 1);
	const bad = net.connect(port, '127.0.0.1');
	bad.end('this is not HTTP\r\n\r\n');
	console.log('bad', (await text(bad)).split('\r\n')[0]);

	if (typeof fetch === 'function') {
		const answer = await fetch(`http://127.0.0.1:${port}/gzip`, { headers: { connection: 'close' } });
		console.log('fetch', answer.status, (await answer.text()).length);
	}
	server.closeAllConnections?.();
	server.close();
	await once(server, 'close');
}

// A key that both know, so that no certificate is needed.
async function secure() {
	const key = Buffer.from('0123456789abcdef');
	const options = { ciphers: 'PSK+HIGH', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
	const server = tls.createServer({ ...options, pskCallback: () => key }, (socket) => socket.pipe(socket));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const client = tls.connect({ ...options, host: '127.0.0.1', port: server.address().port,
		pskCallback: () => ({ psk: key, identity: 'client' }), checkServerIdentity: () => undefined });
	client.end('secret '.repeat(20000));
	await once(client, 'secureConnect');
	console.log('tls', client.getProtocol(), (await text(client)).length);
	server.close();
	await once(server, 'close');
}

async function second() {
	const server = http2.createServer();
	server.on('stream', (stream, headers) => {
		stream.respond({ ':status': 200 });
		stream.end(`${headers[':path']} `.repeat(2000));
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const client = http2.connect(`http://127.0.0.1:${server.address().port}`);
	const lengths = await Promise.all(Array.from({ length: 20 }, async (_, i) =>
		(await text(client.request({ ':path': `/${i}` }))).length));
	console.log('http2', lengths.join(' '));
	client.close();
	server.close();
	await once(server, 'close');
}

plain().then(secure).then(second).then(() => console.log('done'));
