// SPDX-License-Identifier: MIT
// Loads the addon that is named, which calls libuv by itself.
'use strict';
const fs = require('fs');

require(process.argv[2]).run((text) => {
	console.log(text);
	fs.stat(__filename, () => console.log('stat'));
});
