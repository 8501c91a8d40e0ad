// SPDX-License-Identifier: MIT
// Run with --inspect=127.0.0.1:0: asks the inspector's server, which runs on a thread and a loop of
// its own, and talks to it by a web socket written by hand. In the end the process is inspected from
// the inside as well.
'use strict';
const http = require('http');
const inspector = require('inspector');
const { once } = require('events');

const { host } = new URL(inspector.url());
const [hostname, port] = host.split(':');

const get = (path) => new Promise((resolve, reject) => {
	http.get({ hostname, port, path, agent: false }, (answer) => {
		let body = '';
		answer.setEncoding('utf8').on('data', (data) => body += data).on('end', () => resolve(JSON.parse(body)));
	}).on('error', reject);
});

// One frame each way: masked, and shorter than 64 KiB.
function frame(text) {
	const data = Buffer.from(text);
	const mask = Buffer.from([1, 2, 3, 4]);
	const length = Buffer.alloc(2);
	length.writeUInt16BE(data.length);
	return Buffer.concat([Buffer.from([0x81, 0x80 | 126]), length, mask, data.map((byte, i) => byte ^ mask[i % 4])]);
}

async function evaluate(path, expression) {
	const request = http.get({ hostname, port, path, agent: false, headers: { connection: 'upgrade', upgrade: 'websocket',
		'sec-websocket-version': '13', 'sec-websocket-key': Buffer.alloc(16).toString('base64') } });
	const [, socket, head] = await once(request, 'upgrade');
	socket.write(frame(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } })));
	let said = head;
	for await (const data of socket) {
		said = Buffer.concat([said, data]);
		const found = /"id":1,"result":\{"result":\{"type":"\w+","value":([^,}]+)/.exec(said.toString('latin1'));
		if (found) {
			socket.destroy();
			return found[1];
		}
	}
	return 'nothing';
}

(async () => {
	console.log('version', (await get('/json/version'))['Protocol-Version']);
	const [{ type, webSocketDebuggerUrl }] = await get('/json/list');
	console.log('target', type);
	console.log('evaluated', await evaluate(new URL(webSocketDebuggerUrl).pathname, '6 * 7'));
	const session = new inspector.Session();
	session.connect();
	session.post('Runtime.evaluate', { expression: '"in" + "side"' }, (error, { result }) => console.log(error, result.value));
	session.disconnect();
	inspector.close();
	await new Promise((resolve) => http.get({ hostname, port, agent: false }).on('error', ({ code }) => {
		console.log('closed', code);
		resolve();
	}));
})();
