/* SPDX-License-Identifier: MIT */
/* Calls what it is given from a frame of FRAME_BYTES. */

void call(void (*function)(void));

__attribute__((visibility("default"))) void call(void (*function)(void))
{
	volatile char room[FRAME_BYTES];

	room[0] = 0;
	function();
	room[1] = room[0];
}
