/* SPDX-License-Identifier: MIT */
/*
 * The loader's notification: it calls an empty function for debuggers whenever objects were added
 * or removed, before anything of the new ones has run. We make that function call us.
 */
#ifndef UVH_NOTICE_H
#define UVH_NOTICE_H

#pragma GCC visibility push(hidden)

/*
 * From here on uvh_objects_changed is called. Where that cannot be had it is counted: then new
 * libuvs are looked for where a loop is made.
 */
void uvh_notice_install(void);

#pragma GCC visibility pop

#endif
