// SPDX-License-Identifier: MIT
// Children that end in violent ways, in the middle of a callback: the parent tells how.
'use strict';
const fs = require('fs');
const { spawn } = require('child_process');
const { once } = require('events');

const ways = {
	abort: () => process.abort(),
	kill: () => process.kill(process.pid, 'SIGKILL'),
	exit: () => process.reallyExit(6),
	memory: () => new (class extends Array {})(2 ** 32),
	stack: function deep() {
		return deep() + 1;
	},
};

if (process.argv[2]) {
	fs.stat(__filename, () => ways[process.argv[2]]());
} else {
	(async () => {
		for (const way of Object.keys(ways)) {
			const child = spawn('sh', ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, __filename, way],
				{ stdio: ['ignore', 'inherit', 'pipe'] });
			let said = '';
			child.stderr.on('data', (data) => said += data);
			console.log(way, ...await once(child, 'close'), /\b\w*Error: .*/.exec(said)?.[0]);
		}
	})();
}
