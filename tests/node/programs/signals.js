// SPDX-License-Identifier: MIT
// Signals to this process and to children, handled and not.
'use strict';
const { fork, spawn } = require('child_process');
const { once } = require('events');

async function main() {
	// Handlers of signals alone do not keep a process alive.
	const alive = setInterval(() => 0, 1000);
	let many = 0;
	const counting = () => many++;
	process.on('SIGUSR2', counting);
	for (let i = 1; i <= 5; i++) {
		const came = once(process, 'SIGUSR2');
		process.kill(process.pid, 'SIGUSR2');
		await came;
	}
	process.removeListener('SIGUSR2', counting);
	console.log('SIGUSR2', many);
	const all = Promise.all(['SIGHUP', 'SIGWINCH', 'SIGTERM', 'SIGINT'].map((name) => once(process, name)));
	for (const name of ['SIGHUP', 'SIGWINCH', 'SIGTERM', 'SIGINT'])
		process.kill(process.pid, name);
	console.log((await all).map(([name]) => name).join(' '));

	for (const [kind, signal] of [['handles', 'SIGTERM'], ['does not', 'SIGTERM'], ['does not', 'SIGKILL']]) {
		const child = fork(__filename, [kind], { stdio: 'inherit' });
		await once(child, 'message');
		child.kill(signal);
		console.log(kind, signal, ...await once(child, 'exit'));
	}
	const stopped = spawn('sh', ['-c', 'kill -STOP $$; exit 4']);
	stopped.stdout.resume();
	const exit = once(stopped, 'exit');
	const beat = setInterval(() => stopped.kill('SIGCONT'), 5);
	console.log('stopped', ...await exit);
	clearInterval(beat);
	clearInterval(alive);
}

function child(kind) {
	if (kind === 'handles')
		process.on('SIGTERM', () => process.exit(9));
	setInterval(() => 0, 1000);
	process.send('ready');
}

process.argv[2] ? child(process.argv[2]) : main();
