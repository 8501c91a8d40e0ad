// SPDX-License-Identifier: MIT
// Names by the system's resolver (on the pool) and by Node's own, from a name server in this process.
'use strict';
const dgram = require('dgram');
const dns = require('dns');
const { once } = require('events');
const { promisify } = require('util');

// Answers every question for an address with 192.0.2.N, N the length of the name's first label, and
// names that begin with "none" with "there is none".
function answer(question) {
	const none = question.toString('latin1', 13, 17) === 'none';
	const header = Buffer.from(question.subarray(0, 12));
	header.writeUInt16BE(none ? 0x8183 : 0x8180, 2);
	header.writeUInt16BE(none ? 0 : 1, 6);
	header.writeUInt32BE(0, 8);
	let end = 12;
	while (question[end] !== 0)
		end += question[end] + 1;
	const asked = question.subarray(12, end + 5);
	if (none)
		return Buffer.concat([header, asked]);
	const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, question[12]]);
	return Buffer.concat([header, asked, record]);
}

(async () => {
	console.log('lookup', await dns.promises.lookup('localhost', { family: 4 }));
	console.log('all', (await dns.promises.lookup('127.0.0.1', { all: true })).length);
	// Too long for any name: no resolver is asked.
	await promisify(dns.lookup)('x'.repeat(300), { family: 4, hints: dns.ADDRCONFIG })
		.catch(({ syscall }) => console.log('failed', syscall));
	console.log('service', (await dns.promises.lookupService('127.0.0.1', 0)).service.length > 0);
	await Promise.all(Array.from({ length: 20 }, () => dns.promises.lookup('localhost')));

	const server = dgram.createSocket('udp4');
	server.on('message', (question, { port, address }) => server.send(answer(question), port, address));
	server.bind(0, '127.0.0.1');
	await once(server, 'listening');
	const resolver = new dns.promises.Resolver({ timeout: 2000, tries: 2 });
	resolver.setServers([`127.0.0.1:${server.address().port}`]);
	const names = ['a.test', 'bcd.test', 'efghi.test'];
	console.log('resolve4', (await Promise.all(names.map((name) => resolver.resolve4(name)))).join(' '));
	await resolver.resolve4('none.test').catch(({ code }) => console.log('none', code));
	const cancelled = resolver.resolve4('late.test').catch(({ code }) => console.log('cancelled', code));
	resolver.cancel();
	await cancelled;
	server.close();
})();
