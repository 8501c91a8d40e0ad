// SPDX-License-Identifier: MIT
// Loaded before a program with --require: writes down what Node's own async_hooks tell, in the main
// thread and in every worker, for parity.py. One file for each thread, PARITY_FOLDER/PID-TID.hooks,
// with one event a line:
//
//	i ID TYPE TRIGGER EXECUTION     b ID     a ID
//	r ID TYPE TRIGGER EXECUTION OLD      a new id for what had the id OLD until now
//
// Nothing is written before the thread ends, and then synchronously: so that what is traced is what
// the program would have done anyhow.
'use strict';
const async_hooks = require('async_hooks');
const fs = require('fs');
const path = require('path');

if (process.env.PARITY_FOLDER) {
	// "PID/task/TID": the only way to a thread's number from here.
	const [pid, , tid] = fs.readlinkSync('/proc/thread-self').split('/');
	const file = path.join(process.env.PARITY_FOLDER, `${pid}-${tid}.hooks`);
	const lines = [];
	const ids = new WeakMap();

	process.on('exit', () => {
		hook.disable();
		fs.writeFileSync(file, lines.join('\n') + '\n');
	});
	const hook = async_hooks.createHook({
		init(id, type, trigger, resource) {
			// A socket that an agent uses again: Node wraps it for this.
			const old = ids.get(resource) ?? ids.get(resource.handle);
			const again = old?.type === type;
			ids.set(again && !ids.has(resource) ? resource.handle : resource, { id, type });
			lines.push(`${again ? 'r' : 'i'} ${id} ${type} ${trigger} ${async_hooks.executionAsyncId()}` +
				(again ? ` ${old.id}` : ''));
		},
		before(id) {
			lines.push(`b ${id}`);
		},
		after(id) {
			lines.push(`a ${id}`);
		},
	}).enable();
}
