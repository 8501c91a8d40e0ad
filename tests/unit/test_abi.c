/* SPDX-License-Identifier: MIT */
/*
 * The plugin ABI does not move by accident, and our numbers are libuv's: a plugin compiled
 * yesterday, and one compiled without uv.h, must go on to work.
 */
#include <stddef.h>
#include <string.h>
#include <uv.h>
#include <uvhooks/control.h>
#include <uvhooks/plugin.h>
#include <uvhooks/trace_sink.h>

#include "check.h"

_Static_assert(sizeof(struct uvhooks_event) == 96, "events of ABI 1 have 96 bytes");
_Static_assert(offsetof(struct uvhooks_event, async_id) == 8, "moved");
_Static_assert(offsetof(struct uvhooks_event, other_async_id) == 32, "moved");
_Static_assert(offsetof(struct uvhooks_event, thread_id) == 44, "moved");
_Static_assert(offsetof(struct uvhooks_event, callback) == 64, "moved");
_Static_assert(offsetof(struct uvhooks_callbacks, init) == 24, "moved");
_Static_assert(offsetof(struct uvhooks_callbacks, loop_exit) == 128, "moved");
_Static_assert(offsetof(struct uvhooks_callbacks, stall) == 176, "moved");
_Static_assert(offsetof(struct uvhooks_event, duration_ns) == 88, "moved");
_Static_assert(sizeof(struct uvhooks_state) == 136, "states of ABI 1 have 136 bytes");
_Static_assert(sizeof(struct uvhooks_resource) == 64, "resources of ABI 1 have 64 bytes");
_Static_assert(offsetof(struct uvhooks_plugin, init) == 32, "moved");
_Static_assert(UVHOOKS_PLUGIN_BYTES == 40, "what every plugin has");
_Static_assert(offsetof(struct uvhooks_plugin, status) == 48, "moved");
_Static_assert(sizeof(struct uvhooks_trace_sink) == 128, "what is read of a sink is two lines");
_Static_assert(offsetof(struct uvhooks_trace_sink, callbacks) == 64, "moved");
_Static_assert(sizeof(struct uvhooks_control) == 328, "what tools of ABI 1 read");
_Static_assert(offsetof(struct uvhooks_control, pid) == 200, "moved");
_Static_assert(offsetof(struct uvhooks_control, request) == 312, "moved");
_Static_assert(sizeof(struct uvhooks_control_record) == 64, "moved");
_Static_assert(sizeof(struct uvhooks_control_loop) == 40, "moved");
_Static_assert(sizeof(struct uvhooks_control_area) == 48, "moved");
_Static_assert(offsetof(struct uvhooks_plugin_args, options) == 24, "moved");
_Static_assert(UVHOOKS_TIMERWRAP == 1 && UVHOOKS_UVTHREAD == 27, "types are only appended");
_Static_assert(UVHOOKS_EVENT_INIT == 0 && UVHOOKS_EVENT_LOOP_EXIT == 13, "so are events");

/* libuv's enum against our list, name by name. */
static void check_fs_names(void)
{
	static const struct {
		uv_fs_type type;
		const char *name;
	} calls[] = {
	    {UV_FS_CUSTOM, "custom"},       {UV_FS_OPEN, "open"},
	    {UV_FS_CLOSE, "close"},         {UV_FS_READ, "read"},
	    {UV_FS_WRITE, "write"},         {UV_FS_SENDFILE, "sendfile"},
	    {UV_FS_STAT, "stat"},           {UV_FS_LSTAT, "lstat"},
	    {UV_FS_FSTAT, "fstat"},         {UV_FS_FTRUNCATE, "ftruncate"},
	    {UV_FS_UTIME, "utime"},         {UV_FS_FUTIME, "futime"},
	    {UV_FS_ACCESS, "access"},       {UV_FS_CHMOD, "chmod"},
	    {UV_FS_FCHMOD, "fchmod"},       {UV_FS_FSYNC, "fsync"},
	    {UV_FS_FDATASYNC, "fdatasync"}, {UV_FS_UNLINK, "unlink"},
	    {UV_FS_RMDIR, "rmdir"},         {UV_FS_MKDIR, "mkdir"},
	    {UV_FS_MKDTEMP, "mkdtemp"},     {UV_FS_RENAME, "rename"},
	    {UV_FS_SCANDIR, "scandir"},     {UV_FS_LINK, "link"},
	    {UV_FS_SYMLINK, "symlink"},     {UV_FS_READLINK, "readlink"},
	    {UV_FS_CHOWN, "chown"},         {UV_FS_FCHOWN, "fchown"},
	    {UV_FS_REALPATH, "realpath"},   {UV_FS_COPYFILE, "copyfile"},
	    {UV_FS_LCHOWN, "lchown"},       {UV_FS_OPENDIR, "opendir"},
	    {UV_FS_READDIR, "readdir"},     {UV_FS_CLOSEDIR, "closedir"},
	    {UV_FS_STATFS, "statfs"},       {UV_FS_MKSTEMP, "mkstemp"},
	    {UV_FS_LUTIME, "lutime"},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const char *name = uvhooks_fs_name(calls[i].type);

		CHECK(name != NULL && strcmp(name, calls[i].name) == 0);
	}
	CHECK(uvhooks_fs_name(UVHOOKS_FS_NONE) == NULL);
	CHECK(uvhooks_fs_name(1000) == NULL);
}

static void check_names(void)
{
	for (unsigned int type = 0; type < UVHOOKS_TYPE_MAX; type++) {
		CHECK(strcmp(uvhooks_type_name(type), "UNKNOWN") != 0);
		CHECK(strcmp(uvhooks_uv_type_name(type), "unknown") != 0);
	}
	CHECK(strcmp(uvhooks_type_name(UVHOOKS_TYPE_MAX), "UNKNOWN") == 0);
	CHECK(strcmp(uvhooks_type_name(UVHOOKS_TCPWRAP), "TCPWRAP") == 0);
	CHECK(strcmp(uvhooks_uv_type_name(UVHOOKS_TCPSERVERWRAP), "uv_tcp_t") == 0);
	CHECK(uvhooks_type_kind(UVHOOKS_WORKREQ) == UVHOOKS_KIND_REQUEST);
	CHECK(strcmp(uvhooks_event_name(UVHOOKS_EVENT_WORK_BEGIN), "work_begin") == 0);
	CHECK(strcmp(uvhooks_flag_name(UVHOOKS_FLAG_LOOP_CLOSED), "loop_closed") == 0);
	CHECK(strcmp(uvhooks_flag_name(UVHOOKS_FLAG_UNWOUND | UVHOOKS_FLAG_NOOP), "unknown") == 0);
}

static void check_ids(void)
{
	char text[UVHOOKS_ID_TEXT_BYTES];

	CHECK(strcmp(uvhooks_id_text(7, text), "7") == 0);
	CHECK(strcmp(uvhooks_id_text(UINT64_C(1) << 48 | 7, text), "1:7") == 0);
	CHECK(strcmp(uvhooks_id_text(UINT64_MAX, text), "65535:281474976710655") == 0);
}

int main(void)
{
	check_fs_names();
	check_names();
	check_ids();
	CHECK_DONE();
}
