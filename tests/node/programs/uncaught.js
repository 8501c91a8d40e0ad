// SPDX-License-Identifier: MIT
// Errors that nobody catches, of the kind that is named: how they end the process.
'use strict';
const fs = require('fs');

process.on('exit', (code) => console.log('exit', code));
const fail = () => {
	throw new TypeError('on purpose');
};

({
	caught() {
		process.on('uncaughtException', (error, origin) => console.log(error.message, origin));
		fs.stat(__filename, fail);
		setTimeout(fail, 1);
		setImmediate(fail);
		process.nextTick(fail);
		Promise.reject(new Error('rejected'));
	},
	callback() {
		fs.stat(__filename, fail);
	},
	timer() {
		setTimeout(fail, 1);
	},
	handler() {
		process.on('uncaughtException', fail);
		fs.stat(__filename, fail);
	},
	rejection() {
		fs.promises.stat(__filename).then(fail);
	},
	top() {
		fail();
	},
})[process.argv[2]]();
